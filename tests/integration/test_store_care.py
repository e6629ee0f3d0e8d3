"""Pruning, verifying and repairing a store, with the real skopeo and umoci, beside other users."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from locald.build.tools import Tools
from locald.care.repair import Outcome, StoreRepair, Verified
from locald.paths import Paths
from oci.allocation import allocated_bytes
from oci.digest import Digest
from oci.errors import BusyError
from oci.idmap import IdMap, SubordinateIds
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import Command, CommandRunner, RunningCommand
from oci.reference import Reference
from oci.scratch import remove
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from oci.store_contents import read_contents
from oci.store_names import StoreNames
from oci.store_prune import PruneReport, StorePruner
from oci.store_prune_plan import PruneRules
from tests.support.images import make_image

HOST = Platform.of_host()
RUNNER = CommandRunner()
FETCHED = Reference.parse("registry.example/team/base:1")
BUILT = Reference.parse("localhost/shop:latest")
IDS = SubordinateIds.of_current_user()

USER = """
import sys
from pathlib import Path
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.scratch import remove
from oci.skopeo import Skopeo
from oci.store import ImageStore
store = ImageStore(Path(sys.argv[1]), Skopeo(CommandRunner()))
assert store.find(Reference.parse(sys.argv[2]), Platform.of_host()) is not None
print("used", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(
        data_dir=tmp_path / "data",
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path / "config",
        state_dir=tmp_path / "state",
    )


@pytest.fixture
def store(paths: Paths) -> Iterator[ImageStore]:
    yield ImageStore(paths.store, Skopeo(RUNNER))
    remove(paths.store, RUNNER)  # pytest cannot: files of subordinate ids


@pytest.fixture
def id_map() -> IdMap:
    return IdMap(1000, 1000, single=not IDS.usable)


@pytest.fixture
def source(tmp_path: Path) -> Layout:
    return make_image(tmp_path / "source", files={"etc/motd": "hello\n", "bin/x": "x" * 9000})


def fetch(store: ImageStore, layout: Layout, name: Reference | None = FETCHED) -> StoredImage:
    return store.fetch(ImageLocation.layout(layout.path, "latest"), HOST, reference=name)


def commit(store: ImageStore, folder: Path, text: str, name: Reference = BUILT) -> StoredImage:
    """An image that was made here."""
    return store.commit(make_image(folder, files={"app": text * 5000}), (name,), HOST)


def prune(paths: Paths, *, dry_run: bool = False, **rules: object) -> PruneReport:
    made = replace(PruneRules(now=time.time()), **rules)  # type: ignore[arg-type]
    return StorePruner(paths.store, paths.work, RUNNER, wait_seconds=0.2).prune(
        made, dry_run=dry_run
    )


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def other_user(store: ImageStore, name: Reference) -> RunningCommand:
    """Another process with a build under way."""
    argv = (sys.executable, "-c", USER, str(store.root), str(name))
    running = RUNNER.start(Command(argv=argv))
    assert running.read_line() == "used"
    return running


# Pruning


def test_what_no_name_leads_to_goes_and_nothing_else(
    store: ImageStore, paths: Paths, source: Layout, tmp_path: Path
) -> None:
    kept = fetch(store, source)
    first = commit(store, tmp_path / "1", "first")
    size = allocated_bytes(store.root)
    second = commit(store, tmp_path / "2", "second")
    store.leases.release()
    before = tree(store.root)
    told = prune(paths, dry_run=True)
    assert tree(store.root) == before
    done = prune(paths)
    assert done.images == told.images == (first.digest.hex,)
    assert done.freed_bytes == told.freed_bytes > 0
    assert store.find(FETCHED, HOST) is not None
    found = store.find(BUILT, HOST)
    assert found is not None
    assert found.digest == second.digest
    assert found.complete
    assert kept.complete
    assert allocated_bytes(store.root) <= size + 8192
    assert prune(paths).freed_bytes == 0


def test_what_a_running_build_uses_stays_with_its_blobs(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    first = commit(store, tmp_path / "1", "first")
    store.leases.release()
    with other_user(store, BUILT):
        commit(store, tmp_path / "2", "second")
        store.leases.release()
        report = prune(paths)
        assert report.in_use == 1
        assert first.complete
        assert first.layout.readable
    assert prune(paths).images == (first.digest.hex,)
    assert not first.layout.path.exists()


def test_an_image_that_is_just_arriving_is_waited_for(store: ImageStore, paths: Paths) -> None:
    with store.staging(), pytest.raises(BusyError, match="bringing something into"):
        prune(paths)
    prune(paths)


def test_pruning_and_building_at_once_loses_nothing(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    """Builds replace their images again and again while another process prunes all the time."""
    failures: list[BaseException] = []
    done = threading.Event()

    def build(number: int) -> None:
        mine = ImageStore(store.root, Skopeo(RUNNER))
        name = Reference.parse(f"localhost/app{number}:latest")
        try:
            for turn in range(25):
                text = f"{number}-{turn % 3}"
                stored = commit(mine, tmp_path / f"{number}-{turn}", text, name)
                assert stored.complete
                found = mine.find(name, HOST)
                assert found is not None
                assert found.complete
                mine.leases.release()
        except BaseException as error:  # noqa: BLE001  (told by the test)
            failures.append(error)

    def clean() -> None:
        pruner = StorePruner(paths.store, paths.work, RUNNER, wait_seconds=20)
        try:
            while not done.is_set():
                pruner.prune(PruneRules(now=time.time()), dry_run=False)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    builds = [threading.Thread(target=build, args=(number,)) for number in range(4)]
    cleaner = threading.Thread(target=clean)
    for thread in (*builds, cleaner):
        thread.start()
    for thread in builds:
        thread.join()
    done.set()
    cleaner.join()
    assert failures == []
    prune(paths)
    assert len(read_contents(store.root).images) == 4


def test_an_unpacked_image_goes_with_its_image_and_files_of_other_ids(
    store: ImageStore, paths: Paths, source: Layout, id_map: IdMap
) -> None:
    stored = fetch(store, source)
    rootfs = store.unpack(stored, id_map, tell=lambda _: None)
    assert id_map.single or (rootfs / "etc/motd").stat().st_uid != os.getuid()
    assert prune(paths).roots == ()
    StoreNames(store.root).remove(StoreNames(store.root).all())
    in_use = prune(paths)
    assert (in_use.roots, in_use.in_use) == ((), 2)
    store.leases.release()
    report = prune(paths)
    assert len(report.roots) == 1
    assert not rootfs.parent.exists()
    left = [path for path in tree(store.root) if not path.endswith(".lock")]
    assert set(left) == {"blobs", "blobs/sha256", "images", "refs", "rootfs", "tmp", "locks"}


def test_an_unpacked_image_that_was_not_used_for_long_goes_alone(
    store: ImageStore, paths: Paths, source: Layout, id_map: IdMap
) -> None:
    stored = fetch(store, source)
    bundle = store.unpack(stored, id_map, tell=lambda _: None).parent
    store.leases.release()
    assert prune(paths, unused_seconds=3600.0).roots == ()
    os.utime(bundle / "COMPLETE", (0, 0))
    assert prune(paths, unused_seconds=3600.0).roots == (bundle.name,)
    assert stored.complete
    assert store.unpack(stored, id_map, tell=lambda _: None).is_dir()


def test_what_killed_processes_left_goes(store: ImageStore, paths: Paths) -> None:
    paths.work.mkdir(parents=True)
    for parent in (paths.work, store.root / "tmp"):
        (parent / "b1x/deep").mkdir(parents=True)
        (parent / "b1x/deep/file").write_bytes(b"x" * 9000)
        (parent / "b1x/deep").chmod(0)
    (store.blobs / "sha256/.tmpabc").write_bytes(b"half a manifest")
    (store.root / "refs/half.new").touch()
    assert prune(paths, dry_run=True).leftovers == 3
    report = prune(paths)
    assert report.leftovers == 3
    assert not list(paths.work.iterdir())
    assert not list((store.root / "tmp").iterdir())
    assert not list((store.blobs / "sha256").iterdir())
    assert not list((store.root / "refs").iterdir())


# Verifying and repairing


def verify(store: ImageStore, paths: Paths, *, repair: bool = True) -> tuple[Verified, ...]:
    tools = Tools(runner=RUNNER, skopeo=Skopeo(RUNNER), store=store, paths=paths)
    return StoreRepair(tools, lambda _: None).verify(repair=repair).found


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: overwrite(path, b""),
    "one byte less": lambda path: overwrite(path, path.read_bytes()[:-1]),
    "zeros": lambda path: overwrite(path, bytes(path.stat().st_size)),
    "another byte": lambda path: overwrite(path, bytes([path.read_bytes()[0] ^ 1]) + b"x" * 9),
    "a folder": become_folder,
}


def test_a_store_that_is_as_it_should_be_has_no_damage(
    store: ImageStore, paths: Paths, source: Layout, tmp_path: Path, id_map: IdMap
) -> None:
    stored = fetch(store, source)
    commit(store, tmp_path / "1", "first")
    store.unpack(stored, id_map, tell=lambda _: None)
    before = tree(store.root)
    assert verify(store, paths) == ()
    assert tree(store.root) == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_file_of_a_fetched_image_is_repaired(
    store: ImageStore, paths: Paths, source: Layout, damage: str
) -> None:
    stored = fetch(store, source)
    blobs = [stored.layout.blob_path(d) for d in (*stored.image.layer_digests, stored.digest)]
    config = stored.layout.blob_path(stored.image.manifest.config.parsed_digest())
    # A layer that is gone is fetched when it is needed: the image may never have had it.
    layers_gone = {blobs[0]} if damage == "deleted" else set()
    for path in (*blobs, config, *stored.layout.documents):
        whole = path.read_bytes()
        DAMAGE[damage](path)
        if path not in layers_gone:
            assert verify(store, paths, repair=False), path
            found = verify(store, paths)
            assert {one.outcome for one in found} == {Outcome.REPAIRED}, (path, found)
            assert path.read_bytes() == whole or path in stored.layout.documents
        again = store.find(FETCHED, HOST)
        assert again is not None
        store.complete(again, HOST)
        assert again.complete
        assert verify(store, paths) == ()


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_only_a_build_can_make_is_removed(
    store: ImageStore, paths: Paths, source: Layout, tmp_path: Path, damage: str
) -> None:
    """Each file in turn; the other image is as it was."""
    fetched = fetch(store, source)
    for number in range(3):
        built = commit(store, tmp_path / str(number), "text")
        digests = (
            built.image.layer_digests[0],
            built.digest,
            built.image.manifest.config.parsed_digest(),
        )
        DAMAGE[damage](built.layout.blob_path(digests[number]))
        assert verify(store, paths, repair=False)
        assert Outcome.LOST in {one.outcome for one in verify(store, paths)}
        assert store.find(BUILT, HOST) is None
        assert fetched.complete
        assert verify(store, paths) == ()


def test_a_layout_whose_documents_are_damaged_is_written_anew(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    built = commit(store, tmp_path / "1", "text")
    for path in built.layout.documents:
        for damage in DAMAGE.values():
            damage(path)
            found = verify(store, paths)
            assert [one.outcome for one in found] == [Outcome.REPAIRED], (path, found)
            assert built.layout.readable
    (built.layout.path / "blobs").unlink()
    (built.layout.path / "blobs").symlink_to(tmp_path / "elsewhere")
    assert [one.outcome for one in verify(store, paths)] == [Outcome.REPAIRED]
    assert built.complete


def test_a_store_that_was_moved_is_put_right(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    """Layouts name the folder of blobs by its whole path."""
    commit(store, tmp_path / "1", "text")
    moved = replace(paths, data_dir=tmp_path / "moved")
    paths.data_dir.rename(moved.data_dir)
    other = ImageStore(moved.store, Skopeo(RUNNER))
    assert other.find(BUILT, HOST) is None
    assert {one.outcome for one in verify(other, moved)} == {Outcome.REPAIRED}
    found = other.find(BUILT, HOST)
    assert found is not None
    assert found.complete


def test_swapped_blobs_are_found(store: ImageStore, paths: Paths, tmp_path: Path) -> None:
    one = commit(store, tmp_path / "1", "one", Reference.parse("localhost/one:1"))
    two = commit(store, tmp_path / "2", "two", Reference.parse("localhost/two:1"))
    paths_of = [image.layout.blob_path(image.image.layer_digests[0]) for image in (one, two)]
    data = [path.read_bytes() for path in paths_of]
    for path, other in zip(paths_of, reversed(data), strict=True):
        path.write_bytes(other)
    found = verify(store, paths, repair=False)
    assert len([one for one in found if one.part == "blob"]) == 2


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"{", b'{"digest": "sha256:0"}'])
def test_a_damaged_name_is_removed(
    store: ImageStore, paths: Paths, source: Layout, data: bytes
) -> None:
    fetch(store, source)
    (name,) = StoreNames(store.root).all()
    name.path.write_bytes(data)
    (found,) = verify(store, paths)
    assert (found.part, found.outcome) == ("name", Outcome.REPAIRED)
    assert StoreNames(store.root).all() == ()


ROOT_DAMAGE: dict[str, Callable[[Path], object]] = {
    "no mark": lambda bundle: (bundle / "COMPLETE").unlink(),
    "torn mark": lambda bundle: (bundle / "COMPLETE").write_bytes(b'{"size'),
    "no list": lambda bundle: next(bundle.glob("*.mtree")).unlink(),
    "torn list": lambda bundle: next(bundle.glob("*.mtree")).write_bytes(b""),
    "no files": lambda bundle: (bundle / "rootfs").rename(bundle / "elsewhere"),
}


@pytest.mark.parametrize("damage", ROOT_DAMAGE)
def test_a_damaged_unpacked_image_is_unpacked_again(
    store: ImageStore, paths: Paths, source: Layout, id_map: IdMap, damage: str
) -> None:
    stored = fetch(store, source)
    bundle = store.unpack(stored, id_map, tell=lambda _: None).parent
    ROOT_DAMAGE[damage](bundle)
    store.leases.release()
    (found,) = verify(store, paths)
    assert (found.part, found.outcome) == ("unpacked image", Outcome.REPAIRED)
    assert not bundle.exists()
    rootfs = store.unpack(stored, id_map, tell=lambda _: None)
    assert (rootfs / "etc/motd").read_text() == "hello\n"
    assert verify(store, paths) == ()


def test_a_source_that_changed_cannot_repair(
    store: ImageStore, paths: Paths, source: Layout, tmp_path: Path
) -> None:
    stored = fetch(store, source)
    layer = stored.layout.blob_path(stored.image.layer_digests[0])
    overwrite(layer, b"damaged")
    shutil.rmtree(source.path)
    make_image(source.path, files={"etc/motd": "changed\n"})
    assert Outcome.LOST in {one.outcome for one in verify(store, paths)}
    assert not layer.exists()


def test_a_blob_that_nothing_needs_is_only_removed(store: ImageStore, paths: Paths) -> None:
    blob = store.blobs / "sha256" / Digest.of(b"data").hex
    blob.write_bytes(b"other")
    (found,) = verify(store, paths)
    assert found.outcome is Outcome.REPAIRED
    assert not blob.exists()
