"""Ends a phase that waits for ever on a full disk, and one that keeps too much on it.

The lifecycle's exporter (0.21.14) sometimes does wait: one of its writers fails, another waits
for it.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from lifecycle.disk_budget import DiskBudget
from oci.errors import DISK_FULL_HINT, StorageError

_FULL_BYTES = 1 << 20
_PATIENCE_SECONDS = 15.0


class DiskWatch:
    """Called about once a second; raises StorageError when a folder's disk stays full, of bytes
    or of files, and LimitExceeded when its budget, if it has one, is exceeded."""

    def __init__(
        self, folders: Iterable[Path], *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self._folders = tuple(folders)
        self._patience_seconds = patience_seconds
        self._full_since: float | None = None
        self._budget: DiskBudget | None = None

    def keep_to(self, budget: DiskBudget) -> None:
        """From now on there is a limit."""
        self._budget = budget

    def __call__(self) -> None:
        if self._budget is not None:
            self._budget.look()
        full = next((folder for folder in self._folders if _is_full(folder)), None)
        now = time.monotonic()
        if full is None:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= self._patience_seconds:
            raise StorageError(
                f"the disk of {full} is full, and nothing has come of waiting", hint=DISK_FULL_HINT
            )


def _is_full(folder: Path) -> bool:
    status = os.statvfs(folder)
    # Some file systems have no fixed number of files, and say 0.
    no_files = status.f_files > 0 and status.f_favail == 0
    return no_files or status.f_bavail * status.f_frsize < _FULL_BYTES
