"""Leases: what a running process uses, nobody deletes.

A lease is a shared `flock` on the file or folder itself, so the kernel ends it with the process,
however that ends, and nothing is written for it. Whoever deletes must hold the same lock alone.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oci.locks import flock, is_at

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Leases:
    """What this process uses, until it ends or lets go of all of it."""

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}
        self._lock = threading.Lock()

    def take(self, path: Path) -> None:
        """Use a file or folder from now on. Raises FileNotFoundError when it is not there."""
        with self._lock:
            known = self._held.get(path)
            if known is not None:
                if is_at(known, path):
                    return
                os.close(self._held.pop(path))
            # Whoever holds it alone is about to delete it, which takes a moment.
            self._held[path] = _opened(path, fcntl.LOCK_SH, timeout_seconds=-1)

    def release(self) -> None:
        """Use none of it any more."""
        with self._lock:
            while self._held:
                os.close(self._held.popitem()[1])


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Use a file or folder for the duration of the block; waits for one who has it alone."""
    descriptor = _opened(path, fcntl.LOCK_SH, timeout_seconds=-1)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path, *, timeout_seconds: float = 0) -> Iterator[bool]:
    """Nobody uses it during the block; yields False when somebody does, or it is not there."""
    try:
        descriptor = _opened(path, fcntl.LOCK_EX, timeout_seconds=timeout_seconds)
    except (BlockingIOError, FileNotFoundError):
        yield False
        return
    except PermissionError:  # then nobody else of this user could open it either
        yield True
        return
    try:
        yield True
    finally:
        os.close(descriptor)


def _opened(path: Path, kind: int, *, timeout_seconds: float) -> int:
    while True:
        descriptor = os.open(path, _FLAGS)
        try:
            if not flock(descriptor, kind, timeout_seconds=timeout_seconds):
                raise BlockingIOError(f"{path} is in use")
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another one stands in its place by now
