"""Every kind of damage to a store is found; what can be repaired is, the rest is removed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from locald.build.tools import Tools
from locald.care.repair import Outcome, StoreRepair, Verified
from locald.paths import Paths
from oci.digest import Digest
from oci.idmap import IdMap
from oci.layout import Layout
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from oci.store_names import StoreNames
from tests.support.images import make_image
from tests.support.kept_images import BUILT, FETCHED, HOST, commit, fetch, tree

RUNNER = CommandRunner()


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


def test_a_store_that_was_moved_is_as_good_as_before(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    commit(store, tmp_path / "1", "text")
    moved = replace(paths, data_dir=tmp_path / "moved")
    paths.data_dir.rename(moved.data_dir)
    other = ImageStore(moved.store, Skopeo(RUNNER))
    assert verify(other, moved) == ()
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


def test_what_a_build_puts_right_meanwhile_stays(
    store: ImageStore, paths: Paths, tmp_path: Path
) -> None:
    """It names a new image while the old one is being read."""
    old = commit(store, tmp_path / "1", "old")
    layer = old.layout.blob_path(old.image.layer_digests[-1])
    overwrite(layer, bytes(layer.stat().st_size))
    (other,) = (
        name
        for name in StoreNames(store.root).all()
        if name.reference is not None and name.reference == BUILT
    )
    committed: list[str] = []

    def tell(_: str) -> None:
        if not committed:
            committed.append(str(commit(store, tmp_path / "2", "new").digest))

    tools = Tools(runner=RUNNER, skopeo=Skopeo(RUNNER), store=store, paths=paths)
    assert StoreRepair(tools, tell).verify(repair=True).found
    found = store.find(BUILT, HOST)
    assert found is not None
    assert [str(found.digest)] == committed
    assert found.complete
    assert other.path.is_file()


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
