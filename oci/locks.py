"""Locks between processes: `flock` on a file, freed by the kernel however a process ends.

By hand rather than with filelock, which imports asyncio, ssl and sqlite3: a fifth of the time
that a build takes to start.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from oci.cancellation import check_cancelled
from oci.errors import BusyError

_POLL_SECONDS = 0.02


class FileLock:
    """A lock that is held. Children never inherit it; threads of one process exclude each other."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, timeout_seconds: float = 0) -> Self | None:
        """The lock of an existing folder's file, or None when another holds it for too long.

        timeout_seconds: how long to wait; negative waits for ever.
        """
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                taken = flock(descriptor, fcntl.LOCK_EX, timeout_seconds=timeout_seconds)
                if taken and is_at(descriptor, path):
                    return cls(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if not taken:
                return None
            # Its last holder has deleted it: whoever comes next will lock another file.

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


@contextmanager
def exclusive(
    path: Path,
    *,
    what: str,
    timeout_seconds: float = -1,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Hold the lock file for the duration of the block.

    what: what is locked, for the message: "the build of shop".
    timeout_seconds: how long to wait; negative waits for ever.
    on_wait: told once, with a sentence, before waiting for another process.
    """
    lock = _take(path, 0)
    if lock is None:
        on_wait(f"waiting: another locald is using {what}")
        lock = _take(path, timeout_seconds)
    if lock is None:
        raise BusyError(f"another locald is still using {what}")
    try:
        yield
    finally:
        lock.release()


def flock(descriptor: int, kind: int, *, timeout_seconds: float) -> bool:
    """Lock an open file or folder, LOCK_EX or LOCK_SH; False when others hold it for too long."""
    deadline = None if timeout_seconds < 0 else time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            check_cancelled()
            time.sleep(_POLL_SECONDS)
        else:
            return True


def is_at(descriptor: int, path: Path) -> bool:
    """Is what was opened still what the path leads to?"""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _take(path: Path, timeout_seconds: float) -> FileLock | None:
    """With the folder above it, which may be deleted together with a cache meanwhile."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return FileLock.take(path, timeout_seconds=timeout_seconds)
        except FileNotFoundError:
            if path.is_symlink():  # to nowhere
                raise
