"""Pruning a store beside its users, with the real skopeo and umoci."""

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from locald.paths import Paths
from oci.allocation import allocated_bytes
from oci.errors import BusyError
from oci.idmap import IdMap
from oci.layout import Layout
from oci.process import Command, CommandRunner, RunningCommand
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from oci.store_contents import read_contents
from oci.store_names import StoreNames
from oci.store_prune import PruneReport, StorePruner
from oci.store_prune_plan import PruneRules
from tests.support.kept_images import BUILT, FETCHED, HOST, commit, fetch, tree

RUNNER = CommandRunner()
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


def prune(paths: Paths, *, dry_run: bool = False, **rules: object) -> PruneReport:
    made = replace(PruneRules(now=time.time()), **rules)  # type: ignore[arg-type]
    return StorePruner(paths.store, paths.work, RUNNER, wait_seconds=0.2).prune(
        made, dry_run=dry_run
    )


def other_user(store: ImageStore, name: Reference) -> RunningCommand:
    """Another process with a build under way."""
    argv = (sys.executable, "-c", USER, str(store.root), str(name))
    running = RUNNER.start(Command(argv=argv))
    assert running.read_line() == "used"
    return running


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
