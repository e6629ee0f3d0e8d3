"""Locks between processes: `flock` on a file, freed by the kernel however a process ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from oci.errors import BusyError


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
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait(f"waiting: another locald is using {what}")
        try:
            lock.acquire(timeout=timeout_seconds)
        except Timeout as error:
            raise BusyError(f"another locald is still using {what}") from error
    try:
        yield
    finally:
        lock.release()
