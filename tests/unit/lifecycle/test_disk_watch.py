"""A phase on a full disk is given time, then ended."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lifecycle.disk_watch import DiskWatch
from oci.errors import StorageError


def test_a_disk_with_room_is_never_a_reason_to_end(tmp_path: Path) -> None:
    watch = DiskWatch((tmp_path,), patience_seconds=0)
    for _ in range(3):
        watch()


def test_a_disk_that_stays_full_ends_the_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=3, f_frsize=4096))
    watch = DiskWatch((tmp_path,), patience_seconds=0)
    watch()  # the first time it only begins to count
    with pytest.raises(StorageError, match="is full") as ended:
        watch()
    assert str(tmp_path) in ended.value.message


def test_patience_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
    watch = DiskWatch((tmp_path,), patience_seconds=3600)
    for _ in range(3):
        watch()
