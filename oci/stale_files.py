"""Caches do not grow for ever: what nobody has used for long goes."""

import stat
import time
from pathlib import Path

from oci.removal import remove_tree

KEPT_DAYS = 30


def mark_used(path: Path) -> None:
    """Note that an entry of a cache was used now."""
    path.touch()


def remove_stale(folder: Path, *, days: float = KEPT_DAYS) -> None:
    """Delete the entries of a cache's folder that nobody marked for so long."""
    oldest = time.time() - days * 86400
    for entry in folder.iterdir():
        try:
            status = entry.lstat()
            if status.st_mtime >= oldest:
                continue
            if stat.S_ISDIR(status.st_mode):
                remove_tree(entry)
            else:
                entry.unlink()
        except FileNotFoundError:  # another one was faster
            continue
