"""Copies of folders, which share blocks with the original where the file system can.

The file systems of test machines seldom can: the kernel's answer to FICLONE is made up here.
"""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from oci.errors import StorageError
from oci.tree_copy import copy_tree
from oci.tree_tar import list_tree

FICLONE = 0x40049409


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").write_bytes(b"content")
    (folder / "deep/file").chmod(0o640)
    os.utime(folder / "deep/file", ns=(1, 1_234_567_890_123_456_789))
    (folder / "again").hardlink_to(folder / "deep/file")
    (folder / "link").symlink_to("/nowhere")
    (folder / "deep").chmod(0o555)
    return folder


def copied(source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    copy_tree(source, list_tree(source), target)
    return target


def is_the_same(source: Path, target: Path) -> bool:
    one, other = (target / "deep/file").lstat(), (source / "deep/file").lstat()
    assert (one.st_mode, one.st_mtime_ns, one.st_size) == (
        other.st_mode, other.st_mtime_ns, other.st_size,
    )  # fmt: skip
    assert (target / "again").samefile(target / "deep/file")
    assert (target / "link").readlink() == Path("/nowhere")
    assert (target / "deep").stat().st_mode & 0o777 == 0o555
    return (target / "deep/file").read_bytes() == b"content"


def test_a_file_system_that_can_is_asked_once_for_each_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, str]] = []

    def clone(target: int, request: int, origin: int) -> int:
        asked.append((request, os.readlink(f"/proc/self/fd/{origin}")))  # noqa: PTH115
        os.write(target, os.pread(origin, 1 << 20, 0))
        return 0

    def never(*_: object, **__: object) -> None:
        raise AssertionError("its bytes are not to be copied")

    monkeypatch.setattr(fcntl, "ioctl", clone)
    monkeypatch.setattr("shutil.copyfile", never)
    assert is_the_same(source, copied(source, tmp_path))
    assert [request for request, _ in asked] == [FICLONE]
    assert asked[0][1] in (str(source / "again"), str(source / "deep/file"))


@pytest.mark.parametrize("answer", [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY])
def test_where_it_cannot_the_bytes_are_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert is_the_same(source, copied(source, tmp_path))


def test_whatever_this_file_system_can_the_copy_is_one_of_its_own(
    source: Path, tmp_path: Path
) -> None:
    target = copied(source, tmp_path)
    assert is_the_same(source, target)
    (target / "deep/file").write_bytes(b"changed")
    assert (source / "deep/file").read_bytes() == b"content"


def test_a_target_that_is_not_empty_is_told(source: Path, tmp_path: Path) -> None:
    copied(source, tmp_path)
    with pytest.raises(StorageError, match="cannot be copied"):
        copy_tree(source, list_tree(source), tmp_path / "target")
