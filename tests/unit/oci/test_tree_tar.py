"""Trees as archives and back; archives of strangers."""

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from oci.errors import ImageError
from oci.tree_tar import EntryKind, TreeTar, list_tree
from oci.tree_untar import TreeLimits, TreeUntar

ODD = os.fsdecode(b"caf\xff")


def make_tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o700)
    (root / "bin/tool").write_text("#!/bin/sh\n")
    (root / "bin/tool").chmod(0o750)
    os.utime(root / "bin/tool", ns=(5, 1_700_000_000_123_456_789))
    os.link(root / "bin/tool", root / "bin/zwin")
    (root / "bin/away").symlink_to("/usr/bin/env")
    (root / "up").symlink_to("../../outside")
    (root / ODD).write_bytes(b"\0" * 3000)
    (root / ("long" * 40)).write_text("long")
    return root


def archive_of(root: Path) -> bytes:
    written = bytearray()
    tar = TreeTar(written.extend)
    tar.add_tree(root, list_tree(root))
    tar.close()
    return bytes(written)


def extract(data: bytes, folder: Path, **limits: int) -> Path:
    folder.mkdir()
    untar = TreeUntar(folder, origin="the archive", limits=TreeLimits(**limits))
    untar.extract(io.BytesIO(data))
    untar.finish()
    return folder


def made(*members: tuple[str, bytes, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, value in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o6755
            if isinstance(value, bytes):
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
            else:
                member.linkname = value
                archive.addfile(member)
    return stream.getvalue()


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root")
    data = archive_of(root)
    again = extract(data, tmp_path / "again")
    assert archive_of(again) == data
    assert (again / "bin/tool").stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert (again / "bin/tool").stat().st_mode & 0o7777 == 0o750
    assert (again / "bin/zwin").stat().st_ino == (again / "bin/tool").stat().st_ino
    assert (again / "bin/away").readlink() == Path("/usr/bin/env")
    assert (again / ODD).read_bytes() == b"\0" * 3000
    assert (again / "empty").stat().st_mode & 0o777 == 0o700


def test_where_and_when_a_tree_was_made_does_not_show(tmp_path: Path) -> None:
    one, two = make_tree(tmp_path / "one"), make_tree(tmp_path / "elsewhere/two")
    for name in ("long" * 40, ODD):
        for root in (one, two):
            os.utime(root / name, ns=(7, 7))
    (two / "bin/new").touch()
    (two / "bin/new").unlink()
    assert archive_of(one) == archive_of(two)


def test_links_that_point_out_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("do not tell")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(tmp_path / "secret/key")
    (root / "folder").symlink_to(tmp_path / "secret")
    data = archive_of(root)
    assert b"do not tell" not in data
    assert (extract(data, tmp_path / "again") / "folder").is_symlink()


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "file").touch()
        assert [entry.path for entry in list_tree(tmp_path)] == ["file"]


def test_a_tree_may_be_deeper_than_any_recursion(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    name = "/".join("d" * 1500)
    data = made((f"{name}/file", tarfile.REGTYPE, b"x"))
    extract(data, root / "again")
    found = list_tree(root)
    assert len(found) == 1502
    for entry in reversed(found):  # what cleans up after tests goes by recursion
        place = root / entry.path
        place.unlink() if entry.kind is EntryKind.FILE else place.rmdir()


def test_folders_that_nobody_may_write_are_restored(tmp_path: Path) -> None:
    data = made(
        ("mod", tarfile.DIRTYPE, ""),
        ("mod/file", tarfile.REGTYPE, b"x"),
    ).replace(b"0006755", b"0000555", 1)
    # The header's checksum covers the mode.
    header = bytearray(data[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    again = extract(bytes(header) + data[512:], tmp_path / "again")
    assert (again / "mod").stat().st_mode & 0o777 == 0o555
    assert (again / "mod/file").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (made(("../x", tarfile.REGTYPE, b"")), "leads out"),
        (made(("a/../../x", tarfile.REGTYPE, b"")), "leads out"),
        (made(("/etc/x", tarfile.REGTYPE, b"")), "leads out"),
        (
            made(("a", tarfile.SYMTYPE, "/etc"), ("a/passwd", tarfile.REGTYPE, b"")),
            "written through 'a'",
        ),
        (
            made(("a", tarfile.SYMTYPE, ".."), ("a", tarfile.DIRTYPE, "")),
            "written through 'a'",
        ),
        (made(("a", tarfile.SYMTYPE, "/x"), ("a", tarfile.REGTYPE, b"")), "there twice"),
        (made(("a", tarfile.DIRTYPE, ""), ("a", tarfile.REGTYPE, b"")), "then something else"),
        (made(("a", tarfile.LNKTYPE, "/etc/passwd")), "leads out"),
        (made(("a", tarfile.LNKTYPE, "../../x")), "leads out"),
        (
            made(("a", tarfile.SYMTYPE, "/etc/passwd"), ("b", tarfile.LNKTYPE, "a")),
            "a link to what is not there",
        ),
        (made(("a", tarfile.CHRTYPE, "")), "neither a file"),
        (made(("a", tarfile.FIFOTYPE, "")), "neither a file"),
        (made(("a", tarfile.REGTYPE, b"x" * 99))[:600], "damaged"),
        (made(*((f"f{n}", tarfile.REGTYPE, b"") for n in range(11))), "holds too much"),
        (made(("a", tarfile.REGTYPE, b"x" * 2000)), "holds too much"),
    ],
)
def test_what_a_stranger_may_try_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        extract(data, tmp_path / "again", entries=10, size_bytes=1999)
    assert not (tmp_path / "x").exists()


def test_no_file_gets_more_rights_than_folders_and_files_have(tmp_path: Path) -> None:
    again = extract(made(("a", tarfile.REGTYPE, b"")), tmp_path / "again")
    assert (again / "a").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("time", ["9" * 10, "nan", "-5.5", "1e400", "5." + "1" * 30])
def test_no_time_is_too_odd(tmp_path: Path, time: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"mtime": time}
        archive.addfile(member)
    assert (extract(stream.getvalue(), tmp_path / "again") / "a").is_file()
