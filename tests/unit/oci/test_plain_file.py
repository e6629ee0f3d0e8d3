"""Files that a stranger may have made."""

import os
from pathlib import Path

import pytest

from oci.errors import ImageError
from oci.plain_file import read_plain_file


def test_a_plain_file_is_read_through_its_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.toml").write_bytes(b"content")
    assert read_plain_file(tmp_path, "a/b.toml", max_bytes=7) == b"content"


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    assert read_plain_file(tmp_path / "link", "file", max_bytes=10) == b"x"


def test_links_are_not_followed_whatever_part_they_are(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_bytes(b"secret")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/file").symlink_to(tmp_path / "secret/file")
    (tmp_path / "build/folder").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageError, match="is no plain file"):
        read_plain_file(tmp_path / "build", "file", max_bytes=100)
    with pytest.raises((ImageError, NotADirectoryError)):
        read_plain_file(tmp_path / "build", "folder/file", max_bytes=100)


def test_a_fifo_does_not_hold_us_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ImageError, match="is no plain file"):
        read_plain_file(tmp_path, "fifo", max_bytes=100)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageError, match="is no plain file"):
        read_plain_file(tmp_path, "folder", max_bytes=100)


def test_too_large_a_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match="larger than 100 bytes"):
        read_plain_file(tmp_path, "large", max_bytes=100)


def test_a_missing_file_is_told_as_open_does(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path, "gone", max_bytes=100)
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path / "gone", "file", max_bytes=100)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    read_plain_file(tmp_path, "file", max_bytes=10)
    for name, kind in (("link", ImageError), ("gone/file", OSError), ("file/x", OSError)):
        with pytest.raises(kind):
            read_plain_file(tmp_path, name, max_bytes=10)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
