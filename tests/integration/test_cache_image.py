"""Cache images through the real skopeo: a real registry, layouts, archives."""

import gzip
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.cache_image import CacheImage
from lifecycle.caches import BuildCache
from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.layout import Layout
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.tree_untar import TreeLimits
from tests.support.build_caches import commit_layers, filled, layer_tar, locate, state_of
from tests.support.images import make_image
from tests.support.registry import Registry, guarded, registry
from tests.support.tls import Tls, make_tls

__all__ = ["guarded", "registry"]

HOST = Platform.of_host()
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path / "tls")


def image_in(registry: Registry, name: str = "team/cache:main") -> CacheImage:
    skopeo = Skopeo(CommandRunner(), registry.registries, sleep=lambda _: None)
    return CacheImage(location=registry.location(name), platform=HOST, skopeo=skopeo)


def image_at(location: ImageLocation) -> CacheImage:
    return CacheImage(location=location, platform=HOST, skopeo=Skopeo(CommandRunner()))


def pull(image: CacheImage, cache: BuildCache) -> None:
    remote = image.find()
    assert remote is not None
    image.pull(cache, remote, keep=True)


def known(image: CacheImage) -> Digest | None:
    remote = image.find()
    return None if remote is None else remote.digest


def uploads(registry: Registry) -> int:
    """How many blobs were sent, the configurations among them."""
    return sum(request.startswith("POST") for request in registry.requests())


def downloads(registry: Registry) -> int:
    return sum("/blobs/sha256:" in request for request in _gets(registry))


def _gets(registry: Registry) -> list[str]:
    return [request for request in registry.requests() if request.startswith("GET")]


def test_a_cache_travels_through_a_registry(registry: Registry, tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image = image_in(registry)
    assert image.find() is None
    moved = image.push(ours, None)
    assert moved is not None
    assert (moved.parts, moved.moved_parts, moved.moved_bytes) == (3, 3, moved.size_bytes)
    pull(image, theirs)
    assert state_of(theirs) == state_of(ours)


def test_with_a_private_ca_and_a_password(guarded: Registry, tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image_in(guarded).push(ours, None)
    pull(image_in(guarded), theirs)
    assert state_of(theirs) == state_of(ours)


def test_only_what_changed_is_pushed(registry: Registry, tmp_path: Path) -> None:
    cache = filled(tmp_path)
    image = image_in(registry)
    image.push(cache, None)
    before = uploads(registry)
    assert before == 3 + 1
    (cache.build / "target/deep/data").write_text("changed")
    moved = image.push(cache, known(image))
    assert moved is not None
    assert moved.moved_parts == 1
    assert uploads(registry) - before == 1 + 1


def test_what_is_there_already_is_not_pushed_again(registry: Registry, tmp_path: Path) -> None:
    cache = filled(tmp_path)
    image = image_in(registry)
    image.push(cache, None)
    before = uploads(registry)
    assert image.push(cache, known(image)) is None
    assert uploads(registry) == before


def test_after_a_pull_nothing_is_packed_or_pushed_again(registry: Registry, tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image = image_in(registry)
    image.push(ours, None)
    pull(image, theirs)
    blobs = sorted((theirs.image / "layout/blobs/sha256").iterdir())
    times = [blob.stat().st_mtime_ns for blob in blobs]
    assert image.push(theirs, known(image)) is None
    assert [blob.stat().st_mtime_ns for blob in blobs] == times


def test_only_what_is_not_here_is_fetched(registry: Registry, tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image = image_in(registry)
    image.push(ours, None)
    pull(image, theirs)
    commit_layers(ours, layer_tar({"deps/a": b"one"}), layer_tar({"deps/b": b"new"}))
    image.push(ours, known(image))
    remote = image.find()
    assert remote is not None
    before = downloads(registry)
    moved = image.pull(theirs, remote, keep=True)
    assert (moved.parts, moved.moved_parts) == (3, 1)
    assert downloads(registry) - before == 1 + 1
    assert state_of(theirs) == state_of(ours)


def test_a_blob_that_was_damaged_here_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image = image_in(registry)
    image.push(ours, None)
    pull(image, theirs)
    for blob in (theirs.image / "layout/blobs/sha256").iterdir():
        blob.write_bytes(b"damaged")
    (ours.build / "new").touch()
    image.push(ours, known(image))
    pull(image, theirs)
    assert state_of(theirs) == state_of(ours)


def test_a_blob_that_was_damaged_here_is_packed_again(tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image_at(ImageLocation.layout(tmp_path / "one", "main")).push(ours, None)
    for blob in (ours.image / "layout/blobs/sha256").iterdir():
        blob.write_bytes(b"damaged")
    elsewhere = image_at(ImageLocation.layout(tmp_path / "two", "main"))
    with pytest.raises(ImageError):
        elsewhere.push(ours, None)
    assert elsewhere.find() is None
    assert elsewhere.push(ours, None) is not None
    pull(elsewhere, theirs)
    assert state_of(theirs) == state_of(ours)


def test_who_pushes_last_wins_and_the_cache_is_whole(registry: Registry, tmp_path: Path) -> None:
    image = image_in(registry)
    caches = [filled(tmp_path / str(number)) for number in range(4)]
    for number, cache in enumerate(caches):
        (cache.build / "which").write_text(str(number))
    threads = [threading.Thread(target=image.push, args=(cache, None)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs = locate(tmp_path / "theirs")
    pull(image, theirs)
    assert state_of(theirs) in [state_of(cache) for cache in caches]


@pytest.mark.parametrize("keep_old", [True, False])
def test_a_layout_and_an_archive_are_as_good_as_a_registry(tmp_path: Path, keep_old: bool) -> None:
    for location in (
        ImageLocation.layout(tmp_path / "folder/layout", "main"),
        ImageLocation(Transport.OCI_ARCHIVE, path=tmp_path / "folder/c.tar", tag="main"),
    ):
        image = image_at(location)
        ours = filled(tmp_path / f"ours-{location.transport}")
        theirs = locate(tmp_path / f"theirs-{location.transport}")
        assert image.find() is None
        image.push(ours, None)
        if keep_old:
            (ours.build / "more").touch()
            image.push(ours, known(image))
        pull(image, theirs)
        assert state_of(theirs) == state_of(ours)
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["c.tar", "layout"]


def test_builds_that_push_to_one_layout_at_once_leave_it_whole(tmp_path: Path) -> None:
    location = ImageLocation.layout(tmp_path / "layout", "main")
    caches = [filled(tmp_path / str(number)) for number in range(4)]
    for number, cache in enumerate(caches):
        (cache.build / "which").write_text(str(number))
    threads = [
        threading.Thread(target=image_at(location).push, args=(cache, None)) for cache in caches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs = locate(tmp_path / "theirs")
    pull(image_at(location), theirs)
    assert state_of(theirs) in [state_of(cache) for cache in caches]


def test_a_layout_keeps_no_blobs_of_caches_that_are_gone(tmp_path: Path) -> None:
    place = tmp_path / "layout"
    mine = image_at(ImageLocation.layout(place, "main"))
    other = image_at(ImageLocation.layout(place, "other"))
    ours, theirs = filled(tmp_path / "ours"), filled(tmp_path / "theirs")
    (theirs.build / "only theirs").touch()
    mine.push(ours, None)
    other.push(theirs, None)
    for number in range(3):
        (ours.build / "target/deep/data").write_text(str(number))
        mine.push(ours, known(mine))
    # Two manifests, two configurations; two layers that both have, and each its own build folder.
    assert len(list((place / "blobs/sha256").iterdir())) == 2 + 2 + 2 + 2
    again = locate(tmp_path / "again")
    pull(other, again)
    assert state_of(again) == state_of(theirs)


def refused(image: CacheImage, cache: BuildCache, limits: TreeLimits | None = None) -> str:
    """Why a pull is refused; it has changed nothing."""
    before = state_of(cache)
    remote = image.find()
    assert remote is not None
    with pytest.raises((ImageError, StorageError)) as caught:
        image.pull(cache, remote, keep=True, limits=limits)
    assert state_of(cache) == before
    assert not [path for path in cache.root.iterdir() if path.name.startswith("incoming")]
    return caught.value.message


def test_a_cache_of_another_kind_of_build_is_refused(registry: Registry, tmp_path: Path) -> None:
    image_in(registry).push(filled(tmp_path / "ours"), None)
    other = filled(tmp_path / "theirs", exec_env="test", distro="ubuntu 24.04")
    said = refused(image_in(registry), other)
    assert "distribution debian 12 instead of ubuntu 24.04" in said
    assert "execution environment production instead of test" in said


def test_an_image_that_is_no_cache_is_told_apart(registry: Registry, tmp_path: Path) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"})
    image = image_in(registry)
    image.skopeo.copy(ImageLocation.layout(made.path, "latest"), image.location, platform=HOST)
    with pytest.raises(ImageError, match="is no build cache of locald"):
        image.find()


def test_a_cache_that_is_too_large_is_refused_before_it_is_fetched(
    registry: Registry, tmp_path: Path
) -> None:
    image = image_in(registry)
    image.push(filled(tmp_path / "ours"), None)
    before = downloads(registry)
    said = refused(image, filled(tmp_path / "theirs"), TreeLimits(size_bytes=1000))
    assert "more than a cache may have" in said
    assert downloads(registry) - before == 1  # the configuration


def _bomb(layout: Layout) -> None:
    digest = layout.read().layer_digests[0]
    layout.blob_path(digest).write_bytes(gzip.compress(bytes(100 << 20)))


def _truncated(layout: Layout) -> None:
    path = layout.blob_path(layout.read().layer_digests[0])
    path.write_bytes(path.read_bytes()[:-10])


def _gone(layout: Layout) -> None:
    layout.blob_path(layout.read().layer_digests[0]).unlink()


@pytest.mark.parametrize("damage", [_bomb, _truncated, _gone])
def test_a_blob_that_is_not_what_its_digest_says_is_refused(
    tmp_path: Path, damage: Callable[[Layout], None]
) -> None:
    place = tmp_path / "layout"
    image = image_at(ImageLocation.layout(place, "main"))
    image.push(filled(tmp_path / "ours"), None)
    damage(Layout(place))
    refused(image, filled(tmp_path / "theirs"))


def test_a_push_that_fails_leaves_the_image_that_is_there(
    registry: Registry, tmp_path: Path
) -> None:
    image = image_in(registry)
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    image.push(ours, None)
    before = state_of(ours)
    shutil.rmtree(registry.data / "docker/registry/v2/repositories/team/cache/_uploads", True)
    (registry.data / "docker/registry/v2/blobs/sha256").chmod(0o500)
    try:
        (ours.build / "more").touch()
        with pytest.raises(ImageError):
            image.push(ours, known(image))
    finally:
        (registry.data / "docker/registry/v2/blobs/sha256").chmod(0o700)
    pull(image, theirs)
    assert state_of(theirs) == before


_PULL = """
import sys
from pathlib import Path
from lifecycle.cache_image import CacheImage
from lifecycle.caches import build_caches
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
image = CacheImage(
    location=ImageLocation.layout(Path(sys.argv[1]), "main"),
    platform=Platform.of_host(),
    skopeo=Skopeo(CommandRunner()),
)
(cache,) = build_caches(Path(sys.argv[2]))
cache.prepare()
print("pulling", flush=True)
image.pull(cache, image.find(), keep=True)
"""


def test_a_pull_killed_at_any_moment_leaves_a_whole_cache(tmp_path: Path) -> None:
    place = tmp_path / "layout"
    ours = filled(tmp_path / "ours")
    for number in range(300):
        (ours.build / f"new-{number}").write_text("new")
    image_at(ImageLocation.layout(place, "main")).push(ours, None)
    new = state_of(ours)
    replaced = []
    for step in range(12):
        theirs = filled(tmp_path / f"theirs-{step}")
        old = state_of(theirs)
        argv = [sys.executable, "-c", _PULL, str(place), str(theirs.root.parent)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"pulling\n"
            time.sleep(0.04 * step)
            child.kill()
        theirs.prepare()
        found = state_of(theirs)
        assert found in (old, new)
        assert not [path for path in theirs.root.iterdir() if path.name.startswith("incoming")]
        replaced.append(found == new)
    assert not all(replaced)
