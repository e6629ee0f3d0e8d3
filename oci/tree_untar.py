"""Takes a tree out of an archive of `oci.tree_tar`, which a stranger may have changed.

Unlike `oci.untar` it keeps times, modes and links of every kind: what is made here is seen by
containers, where a link means another place. Nothing is ever written through one.
"""

import gzip
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oci.errors import ImageError, StorageError
from oci.tar_headers import TarHeaders

# What reading a damaged archive raises, compressed or not. OSError is also what writing raises.
DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)

_CHUNK_BYTES = 1 << 20
_TIME = re.compile(r"(\d{1,10})(?:\.(\d{1,9})\d*)?")
_MAX_PATH_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class TreeLimits:
    """What all archives of one tree may hold at most. `size_bytes` counts them uncompressed."""

    entries: int = 2_000_000
    size_bytes: int = 32 << 30


class TreeUntar:
    """Fills a new folder of ours, from one archive or several. `finish` ends it.

    origin: what messages call the archive. there: folders in it that are there already, empty,
    and keep their modes. Raises ImageError at the first thing that is not right:
    the folder is then only good for removal.
    """

    def __init__(
        self, folder: Path, *, origin: str, limits: TreeLimits, there: tuple[str, ...] = ()
    ) -> None:
        self._root = os.fspath(folder)
        self._origin = origin
        self._entries_left = limits.entries
        self._bytes_left = limits.size_bytes
        self._there = frozenset(("", *there))
        # Every folder that may be written to, and the mode that it gets.
        self._folders = dict.fromkeys(self._there, 0)
        self._files: set[str] = set()

    def extract(self, stream: IO[bytes]) -> tuple[str, ...]:
        """All entries of an uncompressed archive; returns their names."""
        headers = TarHeaders(stream)
        names = []
        try:
            for member in headers:
                self.make(member, member.name, member.linkname, headers)
                names.append(member.name)
        except DAMAGE as error:
            raise ImageError(f"{self._origin} is damaged: {error}") from error
        return tuple(names)

    def make(self, member: tarfile.TarInfo, name: str, link: str, headers: TarHeaders) -> None:
        """One entry, as `name`; `link` is the target of a link, or the file's other name."""
        self._count(member)
        path = self._checked(name)
        if member.isdir():
            self._make_folder(path, member.mode & 0o777)
            return
        parent = path.rpartition("/")[0]
        self._make_folder(parent, self._folders.get(parent, 0o755))
        if path in self._folders:
            raise ImageError(f"{self._origin}: {path} is a folder and then something else")
        place = f"{self._root}/{path}"
        try:
            if member.isreg():
                self._write(member, place, headers)
                self._files.add(path)
            elif member.issym():
                os.symlink(link, place)  # noqa: PTH211  (text, as written)
            elif member.islnk():
                first = self._checked(link)
                if first not in self._files:
                    raise ImageError(f"{self._origin}: {path} is a link to what is not there")
                os.link(f"{self._root}/{first}", place, follow_symlinks=False)
            else:
                raise ImageError(
                    f"{self._origin}: {path} is neither a file nor a folder nor a link"
                )
        except gzip.BadGzipFile:
            raise
        except FileExistsError as error:
            raise ImageError(f"{self._origin}: {path} is there twice") from error
        except (OSError, ValueError) as error:
            raise StorageError(f"{self._origin}: {path} cannot be made: {error}") from error

    def finish(self) -> None:
        """Give the folders their modes: until then all can be written."""
        for path, mode in sorted(self._folders.items(), reverse=True):
            if path not in self._there:
                Path(self._root, path).chmod(mode)

    def _count(self, member: tarfile.TarInfo) -> None:
        self._entries_left -= 1
        self._bytes_left -= member.size
        if self._entries_left < 0 or self._bytes_left < 0:
            raise ImageError(f"{self._origin} holds too much")

    def _checked(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        path = "/".join(parts)
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise ImageError(f"{self._origin}: an entry with a name that leads out: {name[:200]!r}")
        if len(path.encode(errors="surrogateescape")) > _MAX_PATH_BYTES:
            raise ImageError(f"{self._origin}: an entry with a name that is too long")
        return path

    def _make_folder(self, path: str, mode: int) -> None:
        """A folder, its parents first where they are not there."""
        missing = path
        chain = []
        while missing not in self._folders:
            chain.append(missing)
            missing = missing.rpartition("/")[0]
        for folder in reversed(chain):
            try:
                Path(self._root, folder).mkdir(mode=0o700)
            except FileExistsError as error:
                raise ImageError(
                    f"{self._origin}: an entry would be written through {folder!r}"
                ) from error
            except OSError as error:
                raise StorageError(f"{self._origin}: {folder} cannot be made: {error}") from error
            self._folders[folder] = 0o755
        self._folders[path] = mode

    def _write(self, member: tarfile.TarInfo, place: str, headers: TarHeaders) -> None:
        content = headers.content(member)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            while data := content.read(_CHUNK_BYTES):
                file.write(data)
            file.flush()
            os.fchmod(file.fileno(), member.mode & 0o777)
            time_ns = _time_ns(member)
            os.utime(file.fileno(), ns=(time_ns, time_ns))


def _time_ns(member: tarfile.TarInfo) -> int:
    """tarfile rounds what is written with nine digits."""
    found = _TIME.fullmatch(member.pax_headers.get("mtime") or str(int(member.mtime)))
    if found is None:
        return 0
    seconds, fraction = found.groups(default="")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
