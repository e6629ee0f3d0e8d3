"""What a killed delivery leaves in the user's folders, and how long nobody may touch it.

Whoever writes into a folder holds a lease on it meanwhile; so what looks unfinished in a folder
that nobody writes into belongs to nobody.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from oci.leases import alone, shared


def of_archive(name: str) -> re.Pattern[str]:
    """What an archive of this name is called while it is written; the number is anybody's."""
    return re.compile(rf"\.{re.escape(name)}\.\d+\.partial")


@contextmanager
def delivering(folder: Path, unfinished: re.Pattern[str]) -> Iterator[None]:
    """Write into a folder, if it is there already, for the duration of the block; first remove
    what others did not finish."""
    with ExitStack() as stack:
        # A folder that cannot be listed or locked is written to as well as it goes.
        with suppress(OSError):
            place = folder.resolve(strict=True)
            _remove(place, unfinished)
            stack.enter_context(shared(place))
        yield


def _remove(folder: Path, unfinished: re.Pattern[str]) -> None:
    left = [path for path in folder.iterdir() if unfinished.fullmatch(path.name)]
    if not left:
        return
    with alone(folder) as free:
        for path in left if free else ():
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
