"""Looks for secrets in what a build leaves: layers, documents, caches.

Layers are decompressed as they are read. What files hold compressed, a package's archive for
example, is not looked into.
"""

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lifecycle.build_secret import Needle
from oci.cancellation import check_cancelled
from oci.errors import ImageError
from oci.tar_headers import TarHeaders

_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_MAX_HITS = 100
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A secret that is where it must not be. where: for people, foreign text."""

    secret: str
    form: str
    where: str


@dataclass(frozen=True)
class _Hit:
    offset: int
    needle: Needle


class SecretScan:
    """One search. `unread` has what could not be read; it is complete when all is searched."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._needles = tuple(needles)
        self._overlap = max((len(needle.data) for needle in self._needles), default=1) - 1
        self.unread: list[Path] = []

    def text(self, data: bytes, where: str) -> tuple[Finding, ...]:
        """In a document that is in memory."""
        return _findings((n, where) for n in self._needles if n.data in data)

    def layer(self, path: Path, where: str) -> tuple[Finding, ...]:
        """In an archive, compressed or not, and in the names of its entries; says in which."""
        try:
            with _opened(path) as stream:
                hits = self._hits(stream)
            return _findings((hit.needle, f"{where}: {name}") for hit, name in _named(path, hits))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ImageError(f"{path}: a damaged layer: {error}") from error

    def tree(self, folder: Path, where: str, *, changed_since_ns: int = 0) -> tuple[Finding, ...]:
        """In the files of a folder and their names. Nothing is followed out of it.

        changed_since_ns: only in what changed then or later, by the clock of its file system.
        """
        found: list[Finding] = []
        for path in self._files(folder, changed_since_ns):
            check_cancelled()
            name = str(path.relative_to(folder))
            found += self.text(os.fsencode(name), f"{where}: the name {name}")
            try:
                with os.fdopen(os.open(path, _OPEN), "rb") as stream:
                    if path.suffix == ".tar":
                        found += self.layer(path, f"{where}: {name}")
                    else:
                        hits = self._hits(stream)
                        found += _findings((hit.needle, f"{where}: {name}") for hit in hits)
            except OSError:
                self.unread.append(path)
        return tuple(dict.fromkeys(found))

    def _files(self, folder: Path, changed_since_ns: int) -> Iterator[Path]:
        def unread(error: OSError) -> None:
            self.unread.append(Path(error.filename))

        for root, _, names in os.walk(folder, onerror=unread):
            for name in names:
                path = Path(root, name)
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= changed_since_ns:
                    yield path

    def _hits(self, stream: IO[bytes]) -> tuple[_Hit, ...]:
        hits: list[_Hit] = []
        seen, kept = 0, b""
        while chunk := stream.read(_CHUNK_BYTES):
            check_cancelled()
            data = kept + chunk
            for needle in self._needles:
                at = data.find(needle.data)
                while at >= 0 and len(hits) < _MAX_HITS:
                    # What lies in the part kept from before was found before.
                    if at + len(needle.data) > len(kept):
                        hits.append(_Hit(seen - len(kept) + at, needle))
                    at = data.find(needle.data, at + 1)
            seen += len(chunk)
            kept = data[len(data) - self._overlap :] if self._overlap else b""
        return tuple(hits)


def _findings(found: Iterable[tuple[Needle, str]]) -> tuple[Finding, ...]:
    """One for each secret and place; the first form is told."""
    unique: dict[tuple[str, str], Finding] = {}
    for needle, where in found:
        finding = Finding(secret=needle.secret, form=needle.form, where=where)
        unique.setdefault((needle.secret, where), finding)
    return tuple(unique.values())


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    compressed = file.read(2) == _GZIP
    file.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if compressed else file


def _named(path: Path, hits: tuple[_Hit, ...]) -> Iterator[tuple[_Hit, str]]:
    """Each hit with the archive's entry that it is in: the last that starts before it."""
    if not hits:
        return
    starts: list[tuple[int, str]] = []
    try:
        with _opened(path) as stream:
            starts = [(member.offset, member.name) for member in TarHeaders(stream)]
    except (tarfile.TarError, ImageError):
        starts = []  # no archive that we understand: where in it is not known
    for hit in hits:
        name = next((name for start, name in reversed(starts) if start <= hit.offset), "")
        yield hit, name or f"byte {hit.offset}"
