"""Where a trial works: on the file system of the builds' own work folders, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from locald.paths import Paths
from oci.errors import BusyError
from oci.locks import FileLock
from oci.process import CommandRunner
from oci.scratch import held_folder, is_abandoned, remove

_PREFIX = ".locald-doctor-"
_LOCK = "lock"
# A folder without a lock may be one that is being made right now.
ABANDONED_SECONDS = 60.0
_PATIENCE_SECONDS = 3.0


@contextmanager
def trial_place(paths: Paths, runner: CommandRunner) -> Iterator[Path]:
    """A new folder. Where no build has been yet, it is made in the nearest folder that is there:
    nothing is created that stays. Raises OSError or Error when that is not possible."""
    with ExitStack() as stack:
        place = None
        if paths.work.is_dir():
            # What killed builds left there may be large; removing it is no matter of a doctor.
            with suppress(BusyError):
                place = stack.enter_context(
                    held_folder(paths.work, runner, timeout_seconds=_PATIENCE_SECONDS)
                )
        if place is None:
            beside = paths.data_dir if paths.work.is_dir() else paths.work
            place = stack.enter_context(_folder_in(nearest(beside), runner))
        yield place


@contextmanager
def _folder_in(parent: Path, runner: CommandRunner) -> Iterator[Path]:
    for abandoned in parent.glob(f"{_PREFIX}*"):
        if is_abandoned(abandoned, older_than_seconds=ABANDONED_SECONDS):
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
