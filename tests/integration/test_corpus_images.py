"""Every image of the corpus, through the store, with the real skopeo and umoci.

None reaches anything outside of its root, none makes us fail in another way than by an error of
ours, and what is refused is refused in one line that names the image and what is wrong with it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.errors import Error, ImageError
from oci.idmap import IdMap, SubordinateIds
from oci.image_scan import ImageLimits
from oci.layer_scan import ScanLimits
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from oci.userns import UserNamespace
from tests.corpus import archive_cases, document_cases, form_cases, layer_cases, layout_cases
from tests.corpus.image_case import ImageCase, Place
from tests.support.tree_state import tree_state

pytestmark = pytest.mark.corpus

CASES: tuple[ImageCase, ...] = (
    *layer_cases.CASES,
    *document_cases.CASES,
    *form_cases.CASES,
    *layout_cases.CASES,
    *archive_cases.CASES,
)
NAME = Reference.parse("registry.example/team/hostile:1")
IDS = SubordinateIds.of_current_user()
ID_MAP = IdMap(1000, 1000, single=not IDS.usable)
# Bombs go off at a few megabytes, so that many can be tried.
LIMITS = ImageLimits(
    layer=ScanLimits(entries=3_000, size_bytes=12 << 20, bomb_bytes=4 << 20, ratio=100),
    size_bytes=16 << 20,
    entries=4_000,
)


@pytest.fixture(scope="module")
def namespace() -> Iterator[UserNamespace]:
    with UserNamespace(CommandRunner(), ids=IDS if IDS.usable else None, own_pids=False) as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path, namespace: UserNamespace) -> Iterator[Place]:
    canary = tmp_path / "canary"
    (canary / "below").mkdir(parents=True)
    for name in ("precious", "a", "x", "below/file"):
        (canary / name).write_text("what nobody may read, change or delete\n")
    (tmp_path / "case").mkdir()
    yield Place(folder=tmp_path / "case", canary=canary)
    # Pytest cannot delete what belongs to subordinate ids.
    namespace.remove_tree(tmp_path / "beside/store")


def test_the_corpus_has_no_case_twice_and_enough_of_them() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
    assert len(names) >= 300


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_image_of_the_corpus(place: Place, namespace: UserNamespace, case: ImageCase) -> None:
    beside = place.canary.parent / "beside"
    store = ImageStore(beside / "store", Skopeo(CommandRunner()), limits=LIMITS)
    (beside / "neighbour").write_text("not of the store\n")
    location = case.make(place)
    before = (tree_state(place.canary), _neighbours(beside))
    failure: Error | None = None
    rootfs: Path | None = None
    try:
        stored = store.fetch(location, Platform.of_host(), reference=NAME)
        rootfs = store.rootfs(stored, ID_MAP, namespace)
    except Error as error:
        failure = error
    assert (tree_state(place.canary), _neighbours(beside)) == before
    _check_nothing_left(store)
    if not case.refused:
        assert failure is None, (failure.message, failure.details)
        assert rootfs is not None
        for name, content in case.holds.items():
            assert namespace.run("cat", str(rootfs / name)).stdout == content
        return
    assert isinstance(failure, ImageError), failure
    assert failure.exit_code == 4
    assert re.search(case.refused, failure.message), failure.message
    named = (str(location), str(NAME), f"no such file or folder: {location.path}")
    assert any(name in failure.message for name in named), failure.message
    assert failure.message.isprintable()
    assert len(failure.message) < 2000
    assert rootfs is None
    assert not list((store.root / "rootfs").iterdir())


def _check_nothing_left(store: ImageStore) -> None:
    assert list((store.root / "tmp").iterdir()) == []
    assert not [p for p in (store.blobs / "sha256").iterdir() if p.name.startswith(".")]


def _neighbours(folder: Path) -> list[str]:
    """What is beside the store, and what is in the folders above."""
    return sorted(p.name for p in folder.iterdir()) + sorted(
        p.name for p in folder.parent.iterdir()
    )
