"""Where a trial works: on the file system of the builds' own work folders, gone afterwards."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from locald.paths import Paths
from oci.locks import FileLock
from oci.process import CommandRunner
from oci.scratch import remove, scratch_folder

_PREFIX = ".locald-doctor-"
_LOCK = "lock"
# A folder without a lock may be one that is being made right now.
_ABANDONED_SECONDS = 60.0


@contextmanager
def trial_place(paths: Paths, runner: CommandRunner) -> Iterator[Path]:
    """A new folder. Where no build has been yet, it is made in the nearest folder that is there:
    nothing is created that stays. Raises OSError when that is not possible."""
    if paths.work.is_dir():
        with scratch_folder(paths.work, runner) as place:
            yield place
        return
    parent = nearest(paths.work)
    for abandoned in parent.glob(f"{_PREFIX}*"):
        if _abandoned(abandoned):
            remove(abandoned, runner)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = FileLock.take(place / _LOCK)
    try:
        yield place
    finally:
        if lock is not None:
            lock.release()
        remove(place, runner)


def nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def _abandoned(folder: Path) -> bool:
    """Has its maker died? (The lock of one that lives is held.)"""
    try:
        old = time.time() - folder.lstat().st_mtime > _ABANDONED_SECONDS
        if not old or folder.is_symlink():
            return False
        lock = FileLock.take(folder / _LOCK)
    except OSError:
        return False
    if lock is None:
        return False
    lock.release()
    return True
