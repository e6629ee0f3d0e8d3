"""Archives of others, unpacked without trusting them."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oci.errors import ImageError
from oci.untar import UntarLimits, untar_file

Entry = tuple[str, bytes, str | bytes]


def make_archive(path: Path, *entries: Entry, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, kind, value in entries:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.mode = 0o4755
            if isinstance(value, bytes):
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
            else:
                member.linkname = value
                archive.addfile(member)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_files_folders_and_links_are_made(tmp_path: Path, target: Path) -> None:
    archive = make_archive(
        tmp_path / "a.tgz",
        ("./bin/", tarfile.DIRTYPE, ""),
        ("./bin/main", tarfile.REGTYPE, b"main"),
        ("./bin/build", tarfile.SYMTYPE, "main"),
        ("./bin/detect", tarfile.LNKTYPE, "./bin/main"),
        ("/lib/deep/x", tarfile.REGTYPE, b"x"),
        ("up", tarfile.SYMTYPE, "bin/main"),
        ("lib/deep/back", tarfile.SYMTYPE, "../../bin"),
        mode="w:gz",
    )
    untar_file(archive, target)
    assert (target / "bin/build").read_bytes() == b"main"
    assert (target / "bin/detect").read_bytes() == b"main"
    assert (target / "bin/main").stat().st_mode & 0o7777 == 0o755
    assert (target / "lib/deep/back/main").read_bytes() == b"main"


def test_only_what_is_selected_is_made(tmp_path: Path, target: Path) -> None:
    archive = make_archive(
        tmp_path / "a.tar",
        ("etc/passwd", tarfile.REGTYPE, b""),
        ("dev/null", tarfile.CHRTYPE, ""),
        ("cnb/x", tarfile.REGTYPE, b"x"),
    )
    untar_file(archive, target, select=lambda path: path.parts[0] == "cnb")
    assert [p.name for p in target.iterdir()] == ["cnb"]


def test_a_later_file_replaces_an_earlier_one(tmp_path: Path, target: Path) -> None:
    archive = make_archive(
        tmp_path / "a.tar", ("x", tarfile.REGTYPE, b"old"), ("x", tarfile.REGTYPE, b"new")
    )
    untar_file(archive, target)
    assert (target / "x").read_bytes() == b"new"


HOSTILE: dict[str, tuple[Entry, ...]] = {
    "parent in a name": (("../x", tarfile.REGTYPE, b""),),
    "parent within a name": (("a/../../x", tarfile.REGTYPE, b""),),
    "absolute link": (("x", tarfile.SYMTYPE, "/etc/passwd"),),
    "link to a parent": (("a/x", tarfile.SYMTYPE, "../../x"),),
    "parent after a link": (("d", tarfile.SYMTYPE, "."), ("x", tarfile.SYMTYPE, "d/../y")),
    "write through a link": (
        ("a", tarfile.DIRTYPE, ""),
        ("d", tarfile.SYMTYPE, "a"),
        ("d/x", tarfile.REGTYPE, b""),
    ),
    "hard link to nothing": (("x", tarfile.LNKTYPE, "y"),),
    "hard link to a link": (("y", tarfile.SYMTYPE, "z"), ("x", tarfile.LNKTYPE, "y")),
    "device": (("x", tarfile.CHRTYPE, ""),),
    "fifo": (("x", tarfile.FIFOTYPE, ""),),
    "folder then file": (("x", tarfile.DIRTYPE, ""), ("x", tarfile.REGTYPE, b"")),
    "file then folder": (("x", tarfile.REGTYPE, b""), ("x/y", tarfile.REGTYPE, b"")),
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_act_outside_is_refused(
    tmp_path: Path, target: Path, entries: tuple[Entry, ...]
) -> None:
    archive = make_archive(tmp_path / "a.tar", *entries)
    with pytest.raises(ImageError):
        untar_file(archive, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "target"]


@pytest.mark.parametrize(
    "spoil",
    [lambda data: b"no archive" * 100, lambda data: data[:-100], lambda data: data[:40]],
    ids=["other", "cut", "head"],
)
def test_what_is_no_archive_is_named(
    tmp_path: Path, target: Path, spoil: Callable[[bytes], bytes]
) -> None:
    archive = make_archive(tmp_path / "a.tgz", ("x", tarfile.REGTYPE, b"x" * 999), mode="w:gz")
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(ImageError, match=r"a\.tgz"):
        untar_file(archive, target)


def test_an_archive_that_holds_too_much_is_refused(tmp_path: Path, target: Path) -> None:
    archive = make_archive(tmp_path / "a.tar", ("x", tarfile.REGTYPE, b"x" * 1000))
    with pytest.raises(ImageError, match="too much"):
        untar_file(archive, target, limits=UntarLimits(size_bytes=999))


def test_modes_are_kept_on_request(tmp_path: Path, target: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("x")
        info.mode = 0o4751
        tar.addfile(info)
    untar_file(archive, target)
    assert (target / "x").stat().st_mode & 0o7777 == 0o755
    untar_file(archive, target, keep_modes=True)
    assert (target / "x").stat().st_mode & 0o7777 == 0o751


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, target: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 4 << 30
    archive = tmp_path / "a.tar"
    archive.write_bytes(header.tobuf())
    with pytest.raises(ImageError, match=r"a\.tar is not a tar archive.*size of 4294967296 bytes"):
        untar_file(archive, target)


def test_archives_of_git_and_long_names_are_read(tmp_path: Path, target: Path) -> None:
    """A global header with a comment; headers of both forms for names of more than 100 bytes."""
    name = "/".join(["folder" * 10] * 4)
    for number, form in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)):
        archive = tmp_path / f"{number}.tar"
        with tarfile.open(archive, "w", format=form, pax_headers={"comment": "ab" * 20}) as tar:
            tar.addfile(tarfile.TarInfo(f"{number}/{name}"))
        untar_file(archive, target)
        assert (target / f"{number}" / name).is_file()
