"""Hands a stream on while it hashes and counts what it reads."""

import hashlib
import io
from typing import IO

from oci.digest import Digest
from oci.errors import ImageError


class HashingReader(io.RawIOBase):
    """For an archive that is read to its end; ImageError from where it holds too much.

    last_content: where the last byte that is not zero ends.
    """

    def __init__(self, source: IO[bytes], max_bytes: int) -> None:
        super().__init__()
        self._source = source
        self._hasher = hashlib.sha256()
        self._max_bytes = max_bytes
        self.size_bytes = 0
        self.last_content = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hasher.update(data)
        if content := len(data) if data[-1:] != b"\0" else len(data.rstrip(b"\0")):
            self.last_content = self.size_bytes + content
        self.size_bytes += len(data)
        if self.size_bytes > self._max_bytes:
            raise ImageError(f"its content is larger than {self._max_bytes} bytes uncompressed")
        return data

    def drain(self) -> None:
        """Read what follows the archive's end: the diffID covers it too."""
        while self.read(1 << 20):
            pass

    def digest(self) -> Digest:
        """Of what was read so far."""
        return Digest(self._hasher.hexdigest())
