"""Whether it was the disk that was full, where a tool does not say so."""

import errno
import os
from pathlib import Path

from oci.errors import DISK_FULL_HINT, StorageError

# Less than any file system leaves in normal use, more than a failing write leaves.
_LITTLE_BYTES, _FEW_FILES = 1 << 20, 4


def is_full(error: OSError) -> bool:
    """Was it for want of space, or of what the user may have of it?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def check_space(path: Path, what: str) -> None:
    """Raises StorageError when the file system of `path` has no space, or no inodes, left.

    what: what failed, as the message's beginning.
    """
    status = os.statvfs(path)
    full = status.f_bavail * status.f_frsize < _LITTLE_BYTES
    # File systems without a table of inodes say 0 of both.
    if full or (status.f_files > 0 and status.f_favail < _FEW_FILES):
        raise StorageError(f"{what}: no space left on the disk of {path}", hint=DISK_FULL_HINT)
