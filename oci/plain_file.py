"""Reads files that a stranger may have made, without being led elsewhere or held up."""

import errno
import os
import stat
from pathlib import Path

from oci.errors import ImageError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_plain_file(folder: Path, name: str, *, max_bytes: int) -> bytes:
    """The bytes of `folder/name`, where no part of `name` may be a link.

    name: may have several parts. Raises ImageError for a link, a FIFO, a device or too large a
    file, and OSError as `open` does.
    """
    with os.fdopen(open_plain_file(folder, name), "rb") as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise ImageError(f"{folder / name} is larger than {max_bytes} bytes")
        return file.read(max_bytes)


def read_regular_file(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a file that somebody named, links followed. Raises OSError, also for a FIFO or
    a device, which could hold us up or never end, and for more than `max_bytes`."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder, expected a file")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes")
    return data


def open_plain_file(folder: Path, name: str) -> int:
    """A descriptor of `folder/name` for reading; else as `read_plain_file`."""
    path = folder / name
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *parents, last = Path(name).parts
        for part in parents:
            descriptor = _step(descriptor, part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        descriptor = _step(descriptor, last, _FLAGS)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ImageError(f"{path} is no plain file")
        return os.dup(descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ImageError(f"{path} is no plain file") from error
        raise
    finally:
        os.close(descriptor)


def _step(folder: int, name: str, flags: int) -> int:
    """Open an entry of an open folder, and close the folder."""
    opened = os.open(name, flags | os.O_CLOEXEC, dir_fd=folder)
    os.close(folder)
    return opened
