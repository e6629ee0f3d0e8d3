"""Reads zstd: Python 3.14 has it, before that a package with the same interface.

Only images whose layers are compressed so need it, and it is imported by them. `backports.zstd` is
what the standard library's module came from, kept by the same people; urllib3 takes it too. A
program would be one more thing that a host may lack, and a process for every layer.
"""

import io
import sys
from pathlib import Path
from typing import IO, Any, cast

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class ZstdDamage(OSError):
    """What is read is no zstd, or not all of it."""


def open_zstd(source: Path | IO[bytes]) -> IO[bytes]:
    """The uncompressed content of a file, of all its frames.

    What is damaged raises ZstdDamage (an OSError) or EOFError where it is read. A frame may ask
    for a window of 128 MiB at most.
    """
    # 8 ms, for the few images that have such layers.
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        file = zstd.ZstdFile(source, mode="rb")
    except zstd.ZstdError as error:
        raise ZstdDamage(f"zstd: {error}") from error
    return cast(IO[bytes], io.BufferedReader(_Telling(file, zstd.ZstdError), 1 << 17))


class _Telling(io.RawIOBase):
    """Its own error is no OSError, as that of every other decompressor is."""

    def __init__(self, file: Any, error: type[Exception]) -> None:
        super().__init__()
        self._file = file
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._file.readinto(buffer))
        except self._error as error:
            raise ZstdDamage(f"zstd: {error}") from error

    def close(self) -> None:
        self._file.close()
        super().close()
