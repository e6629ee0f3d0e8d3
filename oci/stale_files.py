"""Caches do not grow for ever: what nobody has used for long goes."""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from oci.leases import alone
from oci.removal import remove_tree

KEPT_DAYS = 30


def mark_used(path: Path) -> None:
    """Note that an entry was used now: by its time of change, for file systems need not keep the
    time of access."""
    with suppress(OSError):  # where nothing may be written
        os.utime(path)


def remove_stale(folder: Path, *, days: float = KEPT_DAYS) -> None:
    """Delete the entries of a cache's folder that nobody marked for so long."""
    oldest = time.time() - days * 86400
    for entry in folder.iterdir():
        try:
            status = entry.lstat()
            if status.st_mtime >= oldest:
                continue
            if stat.S_ISLNK(status.st_mode):
                entry.unlink()
                continue
            with alone(entry) as free:
                if free and stat.S_ISDIR(status.st_mode):
                    remove_tree(entry)
                elif free:
                    entry.unlink()
        except FileNotFoundError:  # another one was faster
            continue
