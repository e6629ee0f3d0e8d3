"""Tar headers, read so that no other reader can see other entries than we do.

A scan is worth nothing when the tool that unpacks reads the same bytes differently. Python stops
without a word at a header that it cannot read, applies global headers to names, and lets the
first of two extended headers win; Go (umoci) does none of these. What the two read differently is
refused here: no tool that makes layers writes it.
Source: archive/tar of Go 1.19 (Reader.next, mergePAX), tarfile of Python 3.11.
"""

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from platform import python_version
from typing import IO, Any

from oci.errors import ImageError

_MAX_EXTENSION_BYTES = 1 << 20
_READ_BYTES = 1 << 18  # with tarfile's own 10 KiB reading takes half as long again
_GLOBAL, _EXTENDED, _LONG_NAME, _LONG_LINK = b"g", b"x", b"L", b"K"
_EXTENSIONS = frozenset({_GLOBAL, _EXTENDED, _LONG_NAME, _LONG_LINK, b"X"})
# What may stand before an entry's own header.
_CHAINS = frozenset(
    {(), (_EXTENDED,), (_LONG_NAME,), (_LONG_LINK,), (_LONG_NAME, _LONG_LINK),
     (_LONG_LINK, _LONG_NAME)}
)  # fmt: skip
_MEANINGFUL = frozenset({"path", "linkpath", "size"})


class TarHeaders:
    """Iterates over the entries of an uncompressed archive; ImageError when it is ambiguous.

    end: after the iteration, where the archive's end mark starts; nothing but zeros may follow.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._archive: tarfile.TarFile | None = None
        self.end = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        chain: list[bytes] = []
        kind = _recording_tarinfo(chain)
        with closing(
            tarfile.open(fileobj=self._stream, mode="r|", bufsize=_READ_BYTES, tarinfo=kind)
        ) as archive:
            self._archive = archive
            for member in archive:
                _check_chain(chain)
                _check_extended(archive.pax_headers, member)
                chain.clear()
                yield member
                # The list that tarfile keeps of all members would grow with the layer.
                archive.members = []  # type: ignore[attr-defined]
            self.end = archive.offset

    def content(self, member: tarfile.TarInfo) -> IO[bytes]:
        """What the file holds that the iteration is at."""
        content = self._archive.extractfile(member) if self._archive is not None else None
        if content is None:
            raise ImageError(f"{member.name!r} has no content")
        return content


# The method that reads every header; the security releases of 2026 renamed it.
_READER = "_frombuf" if hasattr(tarfile.TarInfo, "_frombuf") else "frombuf"


def _recording_tarinfo(chain: list[bytes]) -> type[tarfile.TarInfo]:
    """A TarInfo that notes the type of every header and takes no unreadable one for the end."""
    read = getattr(tarfile.TarInfo, _READER).__func__

    def recorded(
        cls: type[tarfile.TarInfo], buf: bytes | bytearray, *arguments: Any, **options: Any
    ) -> tarfile.TarInfo:
        try:
            info: tarfile.TarInfo = read(cls, buf, *arguments, **options)
        except (tarfile.EmptyHeaderError, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise ImageError(f"a header that cannot be read: {error}") from error
        kind = bytes(buf[156:157])
        if info.size < 0 or (kind in _EXTENSIONS and info.size > _MAX_EXTENSION_BYTES):
            raise ImageError(f"a header with a size of {info.size} bytes")
        chain.append(kind)
        if len(chain) > 8:
            raise ImageError("too many headers before one entry")
        return info

    return type("RecordingTarInfo", (tarfile.TarInfo,), {_READER: classmethod(recorded)})


def _check_chain(chain: list[bytes]) -> None:
    if not chain:  # never believe an archive whose headers were not seen
        raise ImageError(f"tarfile of Python {python_version()} cannot be watched: update locald")
    *extensions, own = (kind for kind in chain if kind != _GLOBAL)
    if tuple(extensions) not in _CHAINS or (extensions and own == tarfile.AREGTYPE):
        raise ImageError("an entry with extensions that contradict each other")


def _check_extended(global_headers: Mapping[str, str], member: tarfile.TarInfo) -> None:
    if _MEANINGFUL.intersection(global_headers) or any(
        key.startswith("GNU.sparse.") for key in (*global_headers, *member.pax_headers)
    ):
        raise ImageError(f"an entry in a form that no layer needs: {member.name!r}")
