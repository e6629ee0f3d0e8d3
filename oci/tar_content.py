"""What follows the header of a file in a tar archive: its bytes, to a whole block."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from oci.errors import StorageError

_CHUNK_BYTES = 1 << 20


def write_content(
    file: IO[bytes], size_bytes: int, sink: Callable[[bytes], object], *, origin: Path
) -> None:
    """As many bytes as the header says, whatever was appended since. origin: the file's path.

    Raises StorageError when it has fewer by now.
    """
    left = size_bytes
    while left:
        data = file.read(min(left, _CHUNK_BYTES))
        if not data:
            raise StorageError(f"{origin} became shorter while it was read")
        left -= len(data)
        sink(data)
    sink(padding(size_bytes))


def padding(size_bytes: int) -> bytes:
    """What fills the last block."""
    return bytes(-size_bytes % tarfile.BLOCKSIZE)
