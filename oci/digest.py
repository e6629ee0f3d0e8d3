"""Content digests: `sha256:` and 64 hex digits."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from oci.errors import ImageError

_FORM = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, order=True)
class Digest:
    """A sha256 digest. Other algorithms of image-spec are refused: no tool writes them."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `sha256:<64 lower-case hex digits>`; anything else raises ImageError."""
        if not _FORM.fullmatch(text):
            raise ImageError(f"not a sha256 digest: {text[:100]!r}")
        return cls(text.removeprefix("sha256:"))

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The digest of these bytes."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The digest of a file's content."""
        hasher = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
        return cls(hasher.hexdigest())

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
