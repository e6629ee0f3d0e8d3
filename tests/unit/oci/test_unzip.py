import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oci.errors import ImageError
from oci.untar import UntarLimits
from oci.unzip import is_zip, unzip_file

UNIX, WINDOWS = 3, 0
LINK, FOLDER, FIFO = stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO
Entry = tuple[str, bytes, int]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def make_archive(path: Path, *entries: Entry, system: int = UNIX) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is: the constructor cuts at a NUL
            info.create_system = system
            info.external_attr = (mode if mode > 0o7777 else mode | stat.S_IFREG) << 16
            if system != UNIX:
                info.external_attr = 0
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def test_files_folders_links_and_modes(tmp_path: Path, target: Path) -> None:
    archive = make_archive(
        tmp_path / "a.zip",
        ("bin/", b"", FOLDER | 0o755),
        ("bin/main", b"main", 0o750),
        ("bin/build", b"main", LINK | 0o777),
        ("/lib/x", b"x", 0o4444),
        ("./lib/back", b"../bin", LINK | 0o777),
        ("empty", b"", FOLDER | 0o700),
    )
    assert is_zip(archive)
    unzip_file(archive, target)
    assert (target / "bin/build").read_bytes() == b"main"
    assert stat.S_IMODE((target / "bin/main").stat().st_mode) == 0o750
    assert stat.S_IMODE((target / "lib/x").stat().st_mode) == 0o644
    assert (target / "lib/back").readlink() == Path("../bin")
    assert (target / "empty").is_dir()


def test_an_archive_without_modes(tmp_path: Path, target: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", ("bin\\mvnw", b"#!", 0), system=WINDOWS)
    unzip_file(archive, target)
    assert os.access(target / "bin/mvnw", os.X_OK)


def test_a_later_file_replaces_an_earlier_one(tmp_path: Path, target: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = make_archive(tmp_path / "a.zip", ("x", b"old", 0o644), ("x", b"new", 0o644))
    unzip_file(archive, target)
    assert (target / "x").read_bytes() == b"new"


HOSTILE: dict[str, tuple[Entry, ...]] = {
    "parent in a name": (("../x", b"", 0o644),),
    "parent within a name": (("a/../../x", b"", 0o644),),
    "absolute link": (("x", b"/etc/passwd", LINK),),
    "link to a parent": (("a/x", b"../../x", LINK),),
    "parent after a link": (("d", b".", LINK), ("x", b"d/../y", LINK)),
    "write through a link": (("a/", b"", FOLDER), ("d", b"a", LINK), ("d/x", b"", 0o644)),
    "link to nothing": (("x", b"", LINK),),
    "link that is too long": (("x", b"a" * 5000, LINK),),
    "link with a NUL": (("x", b"a\0b", LINK),),
    "fifo": (("x", b"", FIFO),),
    "folder then file": (("x/", b"", FOLDER), ("x", b"", 0o644)),
    "file then folder": (("x", b"", 0o644), ("x/y", b"", 0o644)),
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_act_outside_is_refused(
    tmp_path: Path, target: Path, entries: tuple[Entry, ...]
) -> None:
    archive = make_archive(tmp_path / "a.zip", *entries)
    with pytest.raises(ImageError, match=r"a\.zip"):
        unzip_file(archive, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "target"]
    assert not [p for p in target.rglob("*") if p.is_file() and p.stat().st_size]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"no archive" * 100,
        lambda data: data[:-30],
        lambda data: data[:40] + b"\0" * 20 + data[60:],
        lambda data: b"",
    ],
    ids=["other", "cut", "content", "empty"],
)
def test_what_is_no_archive_is_named(
    tmp_path: Path, target: Path, spoil: Callable[[bytes], bytes]
) -> None:
    archive = make_archive(tmp_path / "a.zip", ("x", os.urandom(999), 0o644))
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(ImageError, match=r"a\.zip"):
        unzip_file(archive, target)


@pytest.mark.parametrize(
    "limits", [UntarLimits(size_bytes=2_999_999), UntarLimits(entries=2)], ids=["bytes", "entries"]
)
def test_a_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, target: Path, limits: UntarLimits
) -> None:
    archive = make_archive(
        tmp_path / "a.zip", *((name, bytes(1_000_000), 0o644) for name in ("a", "b", "c"))
    )
    assert archive.stat().st_size < 10_000
    unzip_file(archive, target, limits=UntarLimits(size_bytes=3_000_000, entries=3))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ImageError, match="holds too much"):
        unzip_file(archive, other, limits=limits)


def test_a_size_that_is_a_lie_does_not_help(tmp_path: Path, target: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", ("a", bytes(1_000_000), 0o644))
    data = archive.read_bytes().replace(
        (1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    archive.write_bytes(data)
    with pytest.raises(ImageError):
        unzip_file(archive, target, limits=UntarLimits(size_bytes=500_000))
    assert sum(p.stat().st_size for p in target.iterdir()) <= 500_000


def test_encrypted_files(tmp_path: Path, target: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", ("secret", b"x", 0o644))
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # of the local header; and of the central one
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(data))
    with pytest.raises(ImageError, match="secret is encrypted"):
        unzip_file(archive, target)


def test_other_files_are_no_zip_archive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PK")
    assert not is_zip(tmp_path / "x")
