"""Layers that are the same whenever and wherever they are written."""

import gzip
import io
import lzma
import os
import random
import socket
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from oci.digest import Digest
from oci.errors import ImageError
from oci.gzip_stream import GzipStream
from oci.layer_scan import scan_layer
from oci.layer_writer import CONSTANT_TIME, LayerWriter, Owner, WrittenLayer, write_tarball
from oci.layout import Layout

TARGET = PurePosixPath("/cnb/thing")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    (path / "bin").mkdir(parents=True)
    (path / "bin/build").write_text("#!/bin/sh\n")
    (path / "bin/build").chmod(0o700)
    (path / "a.txt").write_text("hello")
    (path / "a.txt").chmod(0o640)
    (path / "link").symlink_to("bin/build")
    return path


def write_tree(layout: Layout, folder: Path, *, allowed_root: Path | None = None) -> WrittenLayer:
    with LayerWriter(layout) as layer:
        layer.add_tree(folder, TARGET, owner=Owner(1000, 1001), allowed_root=allowed_root)
    return layer.written


def members(layout: Layout, layer: WrittenLayer) -> dict[str, tarfile.TarInfo]:
    blob = layout.blob_path(layer.descriptor.parsed_digest())
    with tarfile.open(blob) as archive:
        return {member.name: member for member in archive}


def content(layout: Layout, layer: WrittenLayer) -> bytes:
    return gzip.decompress(layout.blob_path(layer.descriptor.parsed_digest()).read_bytes())


def test_a_tree_is_written_sorted_with_set_owners_modes_and_times(
    layout: Layout, folder: Path
) -> None:
    found = members(layout, write_tree(layout, folder))
    assert list(found) == [
        "cnb/thing", "cnb/thing/a.txt", "cnb/thing/bin", "cnb/thing/bin/build", "cnb/thing/link",
    ]  # fmt: skip
    assert {name: oct(member.mode) for name, member in found.items()} == {
        "cnb/thing": "0o755",
        "cnb/thing/a.txt": "0o644",
        "cnb/thing/bin": "0o755",
        "cnb/thing/bin/build": "0o755",
        "cnb/thing/link": "0o777",
    }
    assert {(m.uid, m.gid, m.mtime) for m in found.values()} == {(1000, 1001, CONSTANT_TIME)}
    assert found["cnb/thing/link"].linkname == "bin/build"


def test_the_digests_are_those_of_the_blob_and_of_its_content(layout: Layout, folder: Path) -> None:
    layer = write_tree(layout, folder)
    digest = layer.descriptor.parsed_digest()
    blob = layout.blob_path(digest)
    assert Digest.of_file(blob) == digest
    assert blob.stat().st_size == layer.descriptor.size
    assert Digest.of(content(layout, layer)) == layer.diff_id
    assert len(content(layout, layer)) == layer.size_bytes
    assert layer.size_bytes % tarfile.RECORDSIZE == 0
    scan_layer(blob, media_type=layer.descriptor.media_type, diff_id=layer.diff_id)


def test_the_same_content_gives_the_same_digest(layout: Layout, folder: Path) -> None:
    first = write_tree(layout, folder)
    os.utime(folder / "a.txt", (1, 1))
    (folder / "a.txt").chmod(0o600)
    assert write_tree(layout, folder) == first


def test_files_folders_and_links_can_be_added_by_value(layout: Layout) -> None:
    with LayerWriter(layout) as layer:
        layer.add_folder(PurePosixPath("/layers"), owner=Owner(7, 8))
        layer.add_file(PurePosixPath("/cnb/order.toml"), b"x" * 513)
        layer.add_link(PurePosixPath("/lifecycle"), "/cnb/lifecycle")
    found = members(layout, layer.written)
    assert (found["layers"].uid, found["layers"].gid) == (7, 8)
    assert found["cnb/order.toml"].size == 513
    assert found["lifecycle"].linkname == "/cnb/lifecycle"


def test_names_that_are_long_or_not_utf8_survive(layout: Layout, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n") + "x" * 180
    (folder / name).write_text("x")
    assert f"cnb/thing/{name}" in members(layout, write_tree(layout, folder))


def test_a_link_into_the_allowed_root_becomes_what_it_points_to(
    layout: Layout, folder: Path
) -> None:
    common = folder.parent / "common"
    common.mkdir()
    (common / "lib.sh").write_text("shared")
    (common / "sub").mkdir()
    (common / "sub/more.sh").write_text("more")
    (folder / "lib.sh").symlink_to("../common/lib.sh")
    (folder / "sub").symlink_to("../common/sub")
    found = members(layout, write_tree(layout, folder, allowed_root=folder.parent))
    assert found["cnb/thing/lib.sh"].isreg()
    assert found["cnb/thing/sub/more.sh"].isreg()
    assert found["cnb/thing/link"].issym()


def test_a_link_out_of_the_allowed_root_is_refused(layout: Layout, folder: Path) -> None:
    (folder.parent / "secret").write_text("secret")
    (folder / "leak").symlink_to("../secret")
    with pytest.raises(ImageError, match=r"leak points to \.\./secret, which is outside"):
        write_tree(layout, folder)


def test_an_absolute_or_dangling_link_inside_is_kept(layout: Layout, folder: Path) -> None:
    (folder / "python").symlink_to("/usr/bin/python3")
    (folder / "later").symlink_to("bin/made-by-build")
    found = members(layout, write_tree(layout, folder))
    assert found["cnb/thing/python"].linkname == "/usr/bin/python3"
    assert found["cnb/thing/later"].linkname == "bin/made-by-build"


def test_a_link_to_a_parent_does_not_go_on_for_ever(layout: Layout, folder: Path) -> None:
    (folder / "up").symlink_to("..")
    with pytest.raises(ImageError, match="leads back"):
        write_tree(layout, folder, allowed_root=folder.parent)


def test_a_socket_is_refused_and_nothing_is_left(layout: Layout, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket has 108 bytes at most
        try:
            listener.bind("s")
        finally:
            os.chdir(here)
        with pytest.raises(ImageError, match="neither a file nor a folder nor a link"):
            write_tree(layout, folder)
    assert list((layout.path / "blobs/sha256").iterdir()) == []


def make_tar(path: Path) -> bytes:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("./etc/x")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    return path.read_bytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_a_tarball_keeps_its_bytes_whatever_its_compression(
    layout: Layout, tmp_path: Path, compress: type[bytes]
) -> None:
    tarball = tmp_path / "root.tar"
    data = make_tar(tarball)
    tarball.write_bytes(compress(data))
    layer = write_tarball(layout, tarball)
    assert content(layout, layer) == data
    assert layer.diff_id == Digest.of(data)


def test_a_damaged_tarball_is_named(layout: Layout, tmp_path: Path) -> None:
    tarball = tmp_path / "root.tgz"
    tarball.write_bytes(gzip.compress(make_tar(tmp_path / "x.tar"))[:-20])
    with pytest.raises(ImageError, match=r"root\.tgz cannot be read"):
        write_tarball(layout, tarball)
    assert list((layout.path / "blobs/sha256").iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 3_000_000])
def test_gzip_gives_the_same_bytes_however_they_come(size: int) -> None:
    data = random.Random(size).randbytes(size // 2) * 2 + b"x" * (size % 2)
    results = []
    for chunk in (1 << 10, 1 << 20, size or 1):
        pieces: list[bytes] = []
        stream = GzipStream(pieces.append, level=4)
        for start in range(0, len(data), chunk):
            stream.write(data[start : start + chunk])
        stream.close()
        results.append(b"".join(pieces))
    assert gzip.decompress(results[0]) == data
    assert results[0] == results[1] == results[2]
