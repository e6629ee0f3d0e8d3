"""Ends a phase that waits for ever on a full disk.

The lifecycle's exporter (0.21.14) sometimes does: one of its writers fails, another waits for it.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from oci.errors import DISK_FULL_HINT, StorageError

_FULL_BYTES = 1 << 20
_PATIENCE_SECONDS = 15.0


class DiskWatch:
    """Called about once a second; raises StorageError when a folder's disk stays full."""

    def __init__(
        self, folders: Iterable[Path], *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self._folders = tuple(folders)
        self._patience_seconds = patience_seconds
        self._full_since: float | None = None

    def __call__(self) -> None:
        full = next((folder for folder in self._folders if _free_bytes(folder) < _FULL_BYTES), None)
        now = time.monotonic()
        if full is None:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= self._patience_seconds:
            raise StorageError(
                f"the disk of {full} is full, and nothing has come of waiting", hint=DISK_FULL_HINT
            )


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
