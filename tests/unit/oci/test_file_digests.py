import hashlib
import os
import time
from pathlib import Path

import pytest

from oci.file_digests import FileDigests


@pytest.fixture
def settled(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("hello")
    time.sleep(0.15)  # longer than a tick of the clock
    return path


def digest(digests: FileDigests, path: Path) -> bytes:
    return digests.digest(os.fsencode(path), path.lstat())


def test_an_unchanged_file_is_read_once(settled: Path, tmp_path: Path) -> None:
    first = FileDigests()
    assert digest(first, settled) == hashlib.sha256(b"hello").digest()
    assert first.files_read == 1
    first.save(tmp_path / "stats")
    second = FileDigests.load(tmp_path / "stats")
    assert digest(second, settled) == hashlib.sha256(b"hello").digest()
    assert second.files_read == 0
    # What was found unchanged is known the next time too.
    second.save(tmp_path / "stats")
    third = FileDigests.load(tmp_path / "stats")
    digest(third, settled)
    assert third.files_read == 0


def test_a_file_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.write_text("hello")
    first = FileDigests()
    digest(first, fresh)
    first.save(tmp_path / "stats")
    second = FileDigests.load(tmp_path / "stats")
    digest(second, fresh)
    assert second.files_read == 1


def test_a_change_of_the_same_size_with_the_old_time_is_seen(settled: Path, tmp_path: Path) -> None:
    first = FileDigests()
    digest(first, settled)
    first.save(tmp_path / "stats")
    before = settled.stat()
    settled.write_text("HELLO")
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = FileDigests.load(tmp_path / "stats")
    assert digest(second, settled) == hashlib.sha256(b"HELLO").digest()


def test_another_file_in_its_place_is_seen(settled: Path, tmp_path: Path) -> None:
    first = FileDigests()
    digest(first, settled)
    first.save(tmp_path / "stats")
    other = tmp_path / "other"
    other.write_text("other")
    other.rename(settled)
    assert (
        digest(FileDigests.load(tmp_path / "stats"), settled) == hashlib.sha256(b"other").digest()
    )


def test_what_was_not_looked_at_is_forgotten(settled: Path, tmp_path: Path) -> None:
    first = FileDigests()
    digest(first, settled)
    first.save(tmp_path / "stats")
    FileDigests.load(tmp_path / "stats").save(tmp_path / "stats")
    third = FileDigests.load(tmp_path / "stats")
    digest(third, settled)
    assert third.files_read == 1


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xc1" * 100, b"[" * 10_000, b"\x92\x63\x80"])
def test_a_damaged_file_means_that_nothing_is_known(
    settled: Path, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "stats").write_bytes(data)
    digests = FileDigests.load(tmp_path / "stats")
    digest(digests, settled)
    assert digests.files_read == 1


def test_what_is_no_file_any_more_is_not_read(settled: Path, tmp_path: Path) -> None:
    status = settled.lstat()
    settled.unlink()
    os.mkfifo(settled)
    with pytest.raises(OSError, match="no regular file"):
        FileDigests().digest(os.fsencode(settled), status)
    settled.unlink()
    settled.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileDigests().digest(os.fsencode(settled), status)
