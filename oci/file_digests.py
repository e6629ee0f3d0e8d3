"""Digests of files that are read again only when they may have changed, as git's index does it.

A file is taken as unchanged when its size, inode, and both of its times are the same as when it
was read. A file that changed just before it was read may change once more within the same tick
of the file system's clock, and look the same: such a file is not remembered, so that the next
look reads it again. (git calls it "racily clean".)
"""

import hashlib
import os
import stat
import time
from pathlib import Path

import msgspec

from oci.whole_file import write_whole

_FORM = 1
_SECOND = 10**9
# Above the tick of Linux's coarse clock (at most 10 ms), and of file systems with whole seconds
# or, as FAT, two.
_FINE_TICK = _SECOND // 10
_WHOLE_SECONDS_TICK = 5 * _SECOND // 2
_CHUNK_BYTES = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    size: int
    modified: int
    changed: int
    inode: int
    digest: bytes


class _File(msgspec.Struct, frozen=True, array_like=True):
    form: int
    entries: dict[bytes, _Entry]


class FileDigests:
    """What is known of earlier looks, and what this one finds out."""

    def __init__(self, known: dict[bytes, _Entry] | None = None) -> None:
        self._known = known or {}
        self._seen: dict[bytes, _Entry] = {}
        self.files_read = 0
        """How many files had to be read."""

    @classmethod
    def load(cls, path: Path) -> "FileDigests":
        """From a file; empty when there is none, or none that can be read."""
        try:
            stored = msgspec.msgpack.decode(path.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls()
        return cls(stored.entries if stored.form == _FORM else None)

    def save(self, path: Path) -> None:
        """Keep what this look saw, and nothing of what it did not. Raises OSError."""
        write_whole(path, msgspec.msgpack.encode(_File(_FORM, self._seen)))

    def digest(self, path: bytes, status: os.stat_result) -> bytes:
        """The SHA-256 of a regular file, 32 bytes.

        path: absolute. status: its `lstat`. Raises OSError when it cannot be read, or is no
        regular file any more.
        """
        known = self._known.get(path)
        if known is not None and _entry(status, known.digest) == known:
            self._seen[path] = known
            return known.digest
        started = time.time_ns()
        digest, before, after = _read(path)
        self.files_read += 1
        entry = _entry(after, digest)
        steady = entry == _entry(before, digest)
        if steady and _settled(after, started):
            self._seen[path] = entry
        return digest


def _entry(status: os.stat_result, digest: bytes) -> _Entry:
    return _Entry(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest)


def _settled(status: os.stat_result, started: int) -> bool:
    """Would any change since `started` show in the times?"""
    latest = max(status.st_mtime_ns, status.st_ctime_ns)
    whole = not (status.st_mtime_ns % _SECOND or status.st_ctime_ns % _SECOND)
    return latest + (_WHOLE_SECONDS_TICK if whole else _FINE_TICK) < started


def _read(path: bytes) -> tuple[bytes, os.stat_result, os.stat_result]:
    descriptor = os.open(path, _FLAGS)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, "no regular file any more", os.fsdecode(path))
        hasher = hashlib.sha256()
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            hasher.update(chunk)
        return hasher.digest(), before, os.fstat(descriptor)
    finally:
        os.close(descriptor)
