"""The folder of one running build, and the removal of what killed builds left.

A build holds the lock of its folder for as long as it lives. A folder whose lock is free belongs
to nobody any more: the kernel has ended its processes and mounts with the namespace, what is
left are files.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from locald.paths import Paths
from oci.errors import Error
from oci.idmap import SubordinateIds
from oci.locks import FileLock, exclusive
from oci.process import CommandRunner
from oci.removal import remove_tree
from oci.userns import UserNamespace

log = logging.getLogger(__name__)

_LOCK = "lock"


@contextmanager
def work_folder(paths: Paths, runner: CommandRunner) -> Iterator[Path]:
    """A new folder, gone after the block. Removes first what dead builds left."""
    work = paths.ensure(paths.work)
    remove_abandoned(work, runner)
    with ExitStack() as stack:
        with exclusive(work.parent / "work.lock", what="the work folders"):
            # Between its making and its locking a folder looks abandoned; nobody may look then.
            root = Path(tempfile.mkdtemp(prefix="b", suffix="x", dir=work))
            stack.enter_context(exclusive(root / _LOCK, what="the folder of this build"))
        try:
            yield root
        finally:
            _try_to_remove(root, runner)


def remove_abandoned(work: Path, runner: CommandRunner) -> None:
    """Delete the folders of builds that no longer run."""
    with exclusive(work.parent / "work.lock", what="the work folders"):
        abandoned = [folder for folder in work.iterdir() if not _in_use(folder)]
        for folder in abandoned:
            log.info("removing what a build left that did not end by itself: %s", folder)
            _try_to_remove(folder, runner)


def _try_to_remove(folder: Path, runner: CommandRunner) -> None:
    """What stays is in nobody's way: the next build tries again."""
    try:
        remove(folder, runner)
    except Error as error:
        log.warning("%s could not be removed: %s", folder, error)


def _in_use(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        lock = FileLock.take(folder / _LOCK)
    except FileNotFoundError:  # its build has ended just now and removes it itself
        return False
    except PermissionError:  # not ours
        return True
    if lock is None:
        return True
    lock.release()
    return False


def remove(folder: Path, runner: CommandRunner) -> None:
    """Delete a folder of a build, also where its files belong to subordinate ids."""
    if remove_tree(folder):
        return
    ids = SubordinateIds.of_current_user()
    with UserNamespace(runner, ids=ids if ids.usable else None, own_pids=False) as namespace:
        namespace.remove_tree(folder)
