"""Folders that are made once from what has a digest."""

import os
import threading
import time
from pathlib import Path

import pytest

from lifecycle.unpacked import UnpackedFolders
from oci.errors import ImageError


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    unpacked = UnpackedFolders(tmp_path / "modules")
    calls = []

    def fill(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("content")

    first = unpacked.folder("key", fill)
    assert (first / "file").read_text() == "content"
    assert UnpackedFolders(tmp_path / "modules").folder("key", fill) == first
    assert unpacked.folder("other", fill) != first
    assert len(calls) == 2


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    unpacked = UnpackedFolders(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise ImageError("broken")

    with pytest.raises(ImageError, match="broken"):
        unpacked.folder("key", fail)
    assert list((tmp_path / "tree").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert unpacked.folder("key", lambda folder: None).is_dir()


def test_builds_at_the_same_time_wait_for_the_first(tmp_path: Path) -> None:
    calls = []

    def fill(folder: Path) -> None:
        calls.append(folder)
        time.sleep(0.1)

    def make() -> None:
        UnpackedFolders(tmp_path).folder("key", fill)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_what_nobody_used_for_long_goes(tmp_path: Path) -> None:
    earlier, other = UnpackedFolders(tmp_path), UnpackedFolders(tmp_path)
    old, used = (earlier.folder(key, lambda folder: None) for key in ("old", "used"))
    running = other.folder("running", lambda folder: None)
    earlier.leases.release()  # as when its process ends
    long_ago = time.time() - 40 * 86400
    for folder in (old, used, running):
        os.utime(folder, (long_ago, long_ago))
    unpacked = UnpackedFolders(tmp_path)
    unpacked.folder("used", lambda folder: None)
    unpacked.folder("new", lambda folder: None)
    assert not old.exists()
    assert used.is_dir()
    assert running.is_dir()
