"""Blobs after a restart of the host: believed once they were read again."""

import os
import time
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.durable import boot_id, intact, sync_file_system, sync_files, written_in_this_boot

DATA = b"a layer"
DIGEST = Digest.of(DATA)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / DIGEST.hex
    path.write_bytes(DATA)
    return path


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every file was written before the host started."""
    time.sleep(0.01)
    later = time.time() + 60
    monkeypatch.setattr("oci.durable.time.time", lambda: later)
    monkeypatch.setattr("oci.durable.time.clock_gettime", lambda _: 1.0)


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"x"])
def test_another_size_is_seen_at_once(blob: Path, data: bytes) -> None:
    blob.write_bytes(data)
    assert not intact(blob, DIGEST, len(DATA))


def test_a_folder_or_nothing_is_no_blob(tmp_path: Path) -> None:
    assert not intact(tmp_path, DIGEST, tmp_path.stat().st_size)
    assert not intact(tmp_path / "gone", DIGEST, len(DATA))


def test_zeros_of_the_right_size_are_seen_after_a_restart(
    blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert intact(blob, DIGEST, len(DATA))
    blob.write_bytes(bytes(len(DATA)))
    restart(monkeypatch)
    assert not intact(blob, DIGEST, len(DATA))


def test_a_blob_is_read_once_after_a_restart(blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> Digest:
        read.append(path)
        return Digest.of(path.read_bytes())

    monkeypatch.setattr("oci.durable.Digest.of_file", counted)
    assert intact(blob, DIGEST, len(DATA))
    assert read == []
    restart(monkeypatch)
    assert intact(blob, DIGEST, len(DATA))
    assert read == [blob]


def test_what_is_checked_counts_as_written_now(blob: Path) -> None:
    assert written_in_this_boot(blob.stat())
    before = blob.stat().st_ctime_ns
    time.sleep(0.01)
    os.utime(blob)
    assert blob.stat().st_ctime_ns > before


def test_files_and_folders_are_brought_to_the_disk(blob: Path) -> None:
    sync_files((blob, blob.parent, blob.parent / "gone"))
    sync_file_system(blob.parent)
    assert blob.read_bytes() == DATA


def test_the_host_has_a_boot_id() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
