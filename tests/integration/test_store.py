"""The image store, with the real skopeo and umoci."""

import json
import os
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oci.errors import ImageError, StorageError
from oci.idmap import IdMap, SubordinateIds
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from oci.userns import UserNamespace
from tests.support.images import make_image, tar_layer, tar_member

HOST = Platform.of_host()
APP = Reference.parse("registry.example/team/app:1")
IDS = SubordinateIds.of_current_user()


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store", Skopeo(CommandRunner()))


@pytest.fixture
def made(tmp_path: Path) -> Layout:
    return make_image(tmp_path / "made", files={"etc/motd": "hello\n"}, labels={"k": "v"})


def fetch(store: ImageStore, layout: Layout, reference: Reference | None = APP) -> StoredImage:
    source = ImageLocation.layout(layout.path, "latest")
    return store.fetch(source, HOST, reference=reference)


def found(store: ImageStore, reference: Reference = APP) -> StoredImage:
    stored = store.find(reference, HOST)
    assert stored is not None
    return stored


def leftovers(store: ImageStore) -> list[str]:
    hidden = [p.name for p in (store.blobs / "sha256").iterdir() if p.name.startswith(".")]
    return hidden + [p.name for p in (store.root / "tmp").iterdir()]


def test_a_fetched_image_is_found_under_its_name(store: ImageStore, made: Layout) -> None:
    fetched = fetch(store, made)
    stored = found(store)
    assert stored.digest == fetched.digest == made.read().digest
    assert stored.complete
    assert stored.config.labels == {"k": "v"}
    assert stored.reference == APP
    assert stored.source == ImageLocation.layout(made.path, "latest")
    assert leftovers(store) == []


def test_a_store_may_be_moved_to_another_place(store: ImageStore, made: Layout) -> None:
    fetched = fetch(store, made)
    moved = store.root.rename(store.root.with_name("moved"))
    image = found(ImageStore(moved, Skopeo(CommandRunner())))
    assert image.digest == fetched.digest
    assert image.complete


def test_other_names_and_platforms_mean_nothing_yet(store: ImageStore, made: Layout) -> None:
    fetch(store, made)
    assert store.find(Reference.parse("registry.example/team/app:2"), HOST) is None
    assert store.find(Reference.parse("registry.example/team"), HOST) is None
    assert store.find(APP, Platform("linux", "s390x")) is None


def test_a_name_may_move_to_another_image(store: ImageStore, made: Layout, tmp_path: Path) -> None:
    before = fetch(store, made)
    after = fetch(store, make_image(tmp_path / "newer", files={"etc/motd": "bye\n"}))
    assert found(store).digest == after.digest != before.digest


def test_a_name_without_a_tag_is_latest(store: ImageStore, made: Layout) -> None:
    fetch(store, made, Reference.parse("team/app"))
    assert found(store, Reference.parse("team/app:latest")).digest == made.read().digest


def test_only_the_owner_may_look_into_the_store(store: ImageStore) -> None:
    assert {p.stat().st_mode & 0o077 for p in store.root.iterdir()} == {0}


def test_a_store_below_a_colon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no path with a colon") as caught:
        ImageStore(tmp_path / "a:b", Skopeo(CommandRunner()))
    assert "LOCALD_DATA_DIR" in caught.value.hint


def test_a_store_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be made at") as caught:
        ImageStore(tmp_path / "file/store", Skopeo(CommandRunner()))
    assert "LOCALD_DATA_DIR" in caught.value.hint


def test_what_is_no_image_is_not_stored(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file or folder"):
        fetch(store, Layout(tmp_path / "gone"))
    assert store.find(APP, HOST) is None
    assert leftovers(store) == []


RECORD_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "zeros": lambda data: b"\0" * len(data),
    "no text": lambda data: data.replace(b"sha256:", b"\xff\xfe", 1),
    "another form": lambda _: b'{"digest": 1}',
    "no digest": lambda data: data.replace(b"sha256:", b"sha512:"),
    "no source digest": lambda data: json.dumps(
        {**json.loads(data), "source_digest": "x"}
    ).encode(),
    "no source": lambda data: json.dumps({**json.loads(data), "source": "garbage"}).encode(),
}


@pytest.mark.parametrize("damage", RECORD_DAMAGE.values(), ids=RECORD_DAMAGE.keys())
def test_a_damaged_record_is_as_good_as_absent_and_made_anew(
    store: ImageStore, made: Layout, damage: Callable[[bytes], bytes]
) -> None:
    fetch(store, made)
    ((_, path),) = store.names()
    path.write_bytes(damage(path.read_bytes()))
    assert store.find(APP, HOST) is None
    fetch(store, made)
    assert found(store).complete


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("part", ["index", "manifest", "config"])
def test_a_damaged_document_is_fetched_anew(
    store: ImageStore, made: Layout, part: str, damage: Callable[[Path], object]
) -> None:
    stored = fetch(store, made)
    paths = {
        "index": stored.layout.path / "index.json",
        "manifest": stored.layout.blob_path(stored.digest),
        "config": store.blobs / "sha256" / stored.image.manifest.config.digest[7:],
    }
    damage(paths[part])
    assert store.find(APP, HOST) is None
    fetch(store, made)
    assert found(store).complete


@pytest.mark.parametrize("damage", ["empty", "truncated", "zeros"])
def test_a_damaged_layer_is_never_unpacked_and_fetched_anew(
    store: ImageStore, made: Layout, namespace: UserNamespace, damage: str
) -> None:
    stored = fetch(store, made)
    DAMAGE[damage](stored.layout.blob_path(stored.image.layer_digests[0]))
    with pytest.raises(StorageError, match="was damaged in the store") as caught:
        store.rootfs(stored, ID_MAP, namespace)
    assert "fetched anew" in caught.value.hint
    assert not found(store).complete
    again = fetch(store, made)
    assert (store.rootfs(again, ID_MAP, namespace) / "etc/motd").read_text() == "hello\n"


def test_a_built_image_is_found_under_all_its_names(store: ImageStore, made: Layout) -> None:
    names = tuple(Reference.parse(n, default_registry="localhost") for n in ("a", "b:1", "x.y/c"))
    digest = made.read().digest
    committed = store.commit(made, names, HOST)
    assert committed.digest == digest
    assert committed.complete
    for name in names:
        stored = found(store, name)
        assert (stored.digest, stored.source) == (digest, None)
    assert leftovers(store) == []


def test_a_commit_takes_the_image_s_layers_and_nothing_else(
    store: ImageStore, made: Layout, tmp_path: Path
) -> None:
    stranger = made.write_blob(b"nobody names me")
    (made.path / "blobs/sha256/not-a-digest").write_text("x")
    image = made.read()
    store.commit(made, (APP,), HOST)
    names = {p.name for p in (store.blobs / "sha256").iterdir()}
    assert stranger.hex not in names
    assert names == {
        image.digest.hex, image.manifest.config.digest[7:], *(d.hex for d in image.layer_digests),
    }  # fmt: skip


@pytest.mark.parametrize("trap", ["link", "short"])
def test_a_commit_refuses_what_is_not_the_layer(
    store: ImageStore, made: Layout, tmp_path: Path, trap: str
) -> None:
    path = made.blob_path(made.read().layer_digests[0])
    if trap == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(b"x")
    with pytest.raises(ImageError, match="not the layer that the image lists"):
        store.commit(made, (APP,), HOST)
    assert store.find(APP, HOST) is None
    assert leftovers(store) == []


def test_a_commit_without_the_base_s_layers_is_sparse(store: ImageStore, made: Layout) -> None:
    made.blob_path(made.read().layer_digests[0]).unlink()
    stored = store.commit(made, (APP,), HOST)
    assert not stored.complete
    with pytest.raises(ImageError, match="nobody says where from"):
        store.complete(stored, HOST)


def test_the_same_image_may_arrive_many_times_at_once(store: ImageStore, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def arrive(number: int) -> None:
        try:
            layout = make_image(tmp_path / f"made{number}", files={"a": "1"})
            name = Reference.parse(f"localhost/app{number}")
            store.commit(layout, (name, APP), HOST)
        except BaseException as error:  # noqa: BLE001  (told by the test)
            failures.append(error)

    threads = [threading.Thread(target=arrive, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert found(store).complete
    assert len(list(store.names())) == 9
    assert leftovers(store) == []


ID_MAP = IdMap(1000, 1000, single=not IDS.usable)


@pytest.fixture
def namespace(store: ImageStore) -> Iterator[UserNamespace]:
    ids = IDS if IDS.usable else None
    with UserNamespace(CommandRunner(), ids=ids, own_pids=False) as opened:
        yield opened
        # Pytest cannot delete what belongs to subordinate ids.
        opened.remove_tree(store.root / "rootfs")


def test_a_root_filesystem_is_unpacked_once_per_image_and_id_map(
    store: ImageStore, made: Layout, namespace: UserNamespace
) -> None:
    stored = fetch(store, made)
    assert store.unpacked(stored, ID_MAP) is None
    rootfs = store.rootfs(stored, ID_MAP, namespace)
    assert (rootfs / "etc/motd").read_text() == "hello\n"
    assert store.unpacked(stored, ID_MAP) == rootfs
    inode = rootfs.stat().st_ino
    assert store.rootfs(stored, ID_MAP, namespace).stat().st_ino == inode
    single = IdMap(1000, 1000, single=not ID_MAP.single)
    assert store.unpacked(stored, single) is None
    if ID_MAP.single:
        return
    other = store.rootfs(stored, single, namespace)
    assert other != rootfs
    assert (other / "etc/motd").read_text() == "hello\n"
    assert leftovers(store) == []


def test_what_a_killed_unpacking_left_is_not_believed(
    store: ImageStore, made: Layout, namespace: UserNamespace
) -> None:
    stored = fetch(store, made)
    rootfs = store.rootfs(stored, ID_MAP, namespace)
    (rootfs.parent / "COMPLETE").unlink()
    namespace.run("rm", str(rootfs / "etc/motd"))
    assert store.unpacked(stored, ID_MAP) is None
    assert (store.rootfs(stored, ID_MAP, namespace) / "etc/motd").read_text() == "hello\n"


@pytest.mark.skipif(not IDS.usable, reason="needs subordinate ids for owners")
def test_the_cnb_user_s_files_are_ours_and_root_s_are_not(
    store: ImageStore, tmp_path: Path, namespace: UserNamespace
) -> None:
    mine = tar_member("home", kind=tarfile.DIRTYPE)
    mine.uid = mine.gid = 1000
    layer = tar_layer({"etc/motd": "hello\n"}, members=[mine])
    stored = fetch(store, make_image(tmp_path / "owners", layers=[layer]))
    rootfs = store.rootfs(stored, IdMap(1000, 1000), namespace)
    assert (rootfs / "home").stat().st_uid == os.getuid()
    assert (rootfs / "etc/motd").stat().st_uid not in (0, os.getuid(), 1000)


HOSTILE = {
    "parent": tar_layer({}, members=[tar_member("../escaped", size=1)]),
    "whiteout of a parent": tar_layer({}, members=[tar_member("a/.wh...")]),
    "hard link": tar_layer(
        {}, members=[tar_member("x", kind=tarfile.LNKTYPE, link="../../../etc/passwd")]
    ),
}


@pytest.mark.parametrize("layer", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_layer_is_refused_where_it_comes_in(
    store: ImageStore, tmp_path: Path, layer: bytes
) -> None:
    with pytest.raises(ImageError, match=r"oci:.*/hostile:latest: the layer "):
        fetch(store, make_image(tmp_path / "hostile", layers=[layer]))
    assert store.find(APP, HOST) is None
    assert leftovers(store) == []
    # Nothing is left that a sparse image of the same layers could be completed by.
    assert not [p for p in (store.blobs / "sha256").iterdir() if p.read_bytes()[:2] == b"\x1f\x8b"]


@pytest.mark.parametrize("layer", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_layer_that_a_build_made_is_refused_before_umoci_sees_it(
    store: ImageStore, tmp_path: Path, namespace: UserNamespace, layer: bytes
) -> None:
    stored = store.commit(make_image(tmp_path / "hostile", layers=[layer]), (APP,), HOST)
    with pytest.raises(ImageError, match=re.escape(f"{APP}: the layer ")):
        store.rootfs(stored, ID_MAP, namespace)
    assert store.unpacked(stored, ID_MAP) is None
    assert leftovers(store) == []
    assert not list((store.root / "rootfs").iterdir())


def test_links_out_of_the_image_are_kept_inside_it(
    store: ImageStore, tmp_path: Path, namespace: UserNamespace
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    link = tar_member("out", kind=tarfile.SYMTYPE, link=str(canary))
    layers = [tar_layer({}, members=[link]), tar_layer({"out/file": "x"})]
    stored = fetch(store, make_image(tmp_path / "links", layers=layers))
    with suppress(ImageError):  # umoci may refuse it
        store.rootfs(stored, ID_MAP, namespace)
    assert list(canary.iterdir()) == []
