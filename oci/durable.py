"""What survives a power loss, and what has to be looked at again after one.

Files of a fetch and unpacked root filesystems are on the disk before they are named. What a build
makes is not waited for: it was written while this host ran, or it is read once before it is
believed again (`unchanged_since`), which costs nothing until the host has restarted.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oci.digest import Digest

_CLOCK_MARGIN_SECONDS = 2.0


def boot_id() -> str:
    """Changes with every start of this host; "" where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def written_in_this_boot(status: os.stat_result) -> bool:
    """Was the file written, or marked as checked, since this host has started?"""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return status.st_ctime > booted - _CLOCK_MARGIN_SECONDS


def intact(path: Path, digest: Digest, size_bytes: int) -> bool:
    """Does a blob hold what its name says? Its size is always looked at, its content only when it
    comes from before the last start of this host; then it is marked as checked."""
    try:
        status = path.stat()
        if status.st_size != size_bytes or not path.is_file():
            return False
        if written_in_this_boot(status):
            return True
        if Digest.of_file(path) != digest:
            return False
        with suppress(OSError):  # of a file that may only be read
            os.utime(path)
    except OSError:
        return False
    return True


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on the disk, as far as the file system can tell."""
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def sync_file_system(path: Path) -> None:
    """Wait until everything on the file system of `path` is on the disk."""
    # 2 ms to import; only what unpacks a builder needs it. Python has no os.syncfs.
    from ctypes import CDLL

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)
