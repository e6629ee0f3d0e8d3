"""A phase on a full disk is given time, then ended."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lifecycle.disk_watch import DiskWatch
from oci.errors import StorageError


def told(*, free: int, files: int = 100, free_files: int = 50) -> SimpleNamespace:
    """What statvfs says."""
    return SimpleNamespace(f_bavail=free, f_frsize=4096, f_files=files, f_favail=free_files)


def test_a_disk_with_room_is_never_a_reason_to_end(tmp_path: Path) -> None:
    watch = DiskWatch((tmp_path,), patience_seconds=0)
    for _ in range(3):
        watch()


def test_a_disk_that_stays_full_ends_the_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: told(free=3))
    watch = DiskWatch((tmp_path,), patience_seconds=0)
    watch()  # the first time it only begins to count
    with pytest.raises(StorageError, match="is full") as ended:
        watch()
    assert str(tmp_path) in ended.value.message


def test_patience_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: told(free=0))
    watch = DiskWatch((tmp_path,), patience_seconds=3600)
    for _ in range(3):
        watch()


@pytest.mark.parametrize(("files", "full"), [(100, True), (0, False)])
def test_a_disk_without_room_for_another_file_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, full: bool
) -> None:
    """Some file systems have no number of files, and say 0."""
    monkeypatch.setattr(os, "statvfs", lambda _: told(free=9999, files=files, free_files=0))
    watch = DiskWatch((tmp_path,), patience_seconds=0)
    watch()
    if full:
        with pytest.raises(StorageError, match="is full"):
            watch()
    else:
        watch()
