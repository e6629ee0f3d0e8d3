"""What files take on a disk."""

import os
import stat
from pathlib import Path

_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own


def allocated_bytes(*paths: Path) -> int:
    """Blocks of files and folders, and of all below them that this user can see; a file with
    several names counts once. Links are not followed."""
    counted: set[tuple[int, int]] = set()
    total = 0
    pending: list[str | Path] = list(paths)
    while pending:
        path = pending.pop()
        try:
            status = os.lstat(path)
            if (status.st_dev, status.st_ino) in counted:
                continue
            counted.add((status.st_dev, status.st_ino))
            total += file_bytes(status)
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(path) as entries:
                    pending += [entry.path for entry in entries]
        except OSError:
            continue
    return total


def file_bytes(status: os.stat_result) -> int:
    """Blocks of one file."""
    return status.st_blocks * _BLOCK_BYTES
