"""Folders for what is being made, and the removal of what killed processes left in them.

Whoever makes something holds the lock of its folder for as long as it lives. A folder whose lock is
free belongs to nobody any more: the kernel has ended its processes and mounts with their namespace,
what is left are files.
"""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from oci.errors import Error, Interrupted
from oci.idmap import SubordinateIds
from oci.locks import FileLock, exclusive
from oci.process import CommandRunner
from oci.removal import remove_tree
from oci.userns import UserNamespace

log = logging.getLogger(__name__)

_LOCK = "lock"


@contextmanager
def scratch_folder(parent: Path, runner: CommandRunner) -> Iterator[Path]:
    """A new folder in `parent` (an existing one), gone after the block. Removes first what
    processes left in `parent` that did not end by themselves."""
    remove_abandoned(parent, runner)
    with held_folder(parent, runner) as root:
        yield root


@contextmanager
def held_folder(
    parent: Path, runner: CommandRunner, *, timeout_seconds: float = -1
) -> Iterator[Path]:
    """A new folder in `parent`, gone after the block; what others left there stays.

    timeout_seconds: how long to wait while another process looks through `parent`; BusyError
        after that. Negative waits for ever.
    """
    root: Path | None = None
    with ExitStack() as stack:
        try:
            what = f"the folder {parent}"
            with exclusive(_lock_of(parent), what=what, timeout_seconds=timeout_seconds):
                # Between its making and its locking a folder looks abandoned; nobody may look then.
                root = Path(tempfile.mkdtemp(prefix="b", suffix="x", dir=parent))
                stack.enter_context(exclusive(root / _LOCK, what=f"the folder {root}"))
            yield root
        finally:
            if root is not None:
                try:
                    _try_to_remove(root, runner)
                except Interrupted:  # the first signal lets the cleaning end; a second would not
                    _try_to_remove(root, runner)
                    raise


def remove_abandoned(parent: Path, runner: CommandRunner) -> None:
    """Delete the folders whose makers no longer run."""
    with _looked_through(parent):
        for folder in _abandoned(parent):
            log.info("removing what was left by a process that did not end by itself: %s", folder)
            _try_to_remove(folder, runner)


def abandoned_folders(parent: Path) -> tuple[Path, ...]:
    """The folders whose makers no longer run; nothing is deleted."""
    if not parent.is_dir():
        return ()
    with _looked_through(parent):
        return _abandoned(parent)


def is_abandoned(folder: Path, *, older_than_seconds: float) -> bool:
    """Has its maker died? One made just now may not be locked yet, so it counts as in use."""
    try:
        age = time.time() - folder.lstat().st_mtime
        return age > older_than_seconds and not folder.is_symlink() and not _in_use(folder)
    except OSError:
        return False


def remove(folder: Path, runner: CommandRunner) -> None:
    """Delete a folder, also where its files belong to subordinate ids."""
    if remove_tree(folder):
        return
    ids = SubordinateIds.of_current_user()
    with UserNamespace(runner, ids=ids if ids.usable else None, own_pids=False) as namespace:
        namespace.remove_tree(folder)


@contextmanager
def _looked_through(parent: Path) -> Iterator[None]:
    """Nobody makes a folder in it during the block."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(_lock_of(parent), what=f"the folder {parent}"))
        except OSError:
            # On a full disk there can be no new lock, and without one nobody makes a folder.
            if os.path.lexists(_lock_of(parent)):
                raise
        yield


def _abandoned(parent: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in parent.iterdir() if not _in_use(folder))


def _lock_of(parent: Path) -> Path:
    return parent.with_name(f"{parent.name}.lock")


def _try_to_remove(folder: Path, runner: CommandRunner) -> None:
    """What stays is in nobody's way: the next one tries again."""
    try:
        remove(folder, runner)
    except Error as error:
        log.warning("%s could not be removed: %s", folder, error)


def _in_use(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    if not os.path.lexists(folder / _LOCK):  # taking it would make it, on a disk that may be full
        return False
    try:
        lock = FileLock.take(folder / _LOCK)
    except FileNotFoundError:  # its maker has ended just now and removes it itself
        return False
    except PermissionError:  # not ours
        return True
    if lock is None:
        return True
    lock.release()
    return False
