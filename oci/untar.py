"""Takes files out of a tar archive that somebody else made, into a new folder.

`tarfile`'s own extraction is not used: what may be made here is listed, the rest is refused.
"""

import lzma
import os
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import IO

from oci.errors import ImageError
from oci.layer_writer import open_tarball

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class UntarLimits:
    """What one archive may hold at most."""

    entries: int = 500_000
    size_bytes: int = 8 << 30


def untar_file(
    tarball: Path,
    folder: Path,
    *,
    select: Callable[[PurePosixPath], bool] = lambda _: True,
    limits: UntarLimits | None = None,
    origin: str = "",
) -> None:
    """Extract regular files, folders, and links that stay inside, into `folder`, which exists.

    select: which entries to take, by their path in the archive; the others are passed over.
    origin: what the archive is called in errors, if not by its path.
    Later entries replace earlier ones. Owners and times are not kept, of modes only whether a
    file is executable. Raises ImageError for anything that would act outside of the folder.
    """
    origin = origin or str(tarball)
    try:
        with open_tarball(tarball) as content:
            untar(content, folder, origin=origin, select=select, limits=limits)
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ImageError(f"{origin} cannot be unpacked: {error}") from error


def untar(
    content: IO[bytes],
    folder: Path,
    *,
    origin: str,
    select: Callable[[PurePosixPath], bool] = lambda _: True,
    limits: UntarLimits | None = None,
) -> None:
    """As `untar_file`, from the uncompressed content of an archive."""
    limits = limits or UntarLimits()
    target = _Target(folder, origin)
    entries = size_bytes = 0
    try:
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                entries += 1
                size_bytes += member.size
                if entries > limits.entries or size_bytes > limits.size_bytes:
                    raise ImageError(f"{origin}: the archive holds too much")
                path = _entry_path(member.name, origin)
                if path.parts and select(path):
                    target.make(archive, member, path)
    except tarfile.TarError as error:
        raise ImageError(f"{origin} is not a tar archive, or damaged: {error}") from error


class _Target:
    """The folder being filled. Nothing is ever written through a link."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._folder = folder
        self._origin = origin

    def make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath) -> None:
        place = self._folder.joinpath(*path.parts)
        self._make_folder(place.parent)
        if member.isdir():
            self._make_folder(place)
            return
        if place.is_dir() and not place.is_symlink():
            raise ImageError(f"{self._origin}: {path} is a folder and then something else")
        place.unlink(missing_ok=True)
        if member.isreg():
            self._write(archive, member, place)
        elif member.issym():
            self._check_link(member.linkname, path)
            place.symlink_to(member.linkname)
        elif member.islnk():
            source = self._folder.joinpath(*_entry_path(member.linkname, self._origin).parts)
            if source.is_symlink() or not source.is_file() or not self._is_real(source.parent):
                raise ImageError(f"{self._origin}: {path} is a link to what is not there")
            os.link(source, place)
        else:
            raise ImageError(f"{self._origin}: {path} is neither a file nor a folder nor a link")

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        content = archive.extractfile(member)
        if content is None:
            raise ImageError(f"{self._origin}: {member.name} has no content")
        mode = 0o755 if member.mode & 0o111 else 0o644
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            while data := content.read(_CHUNK_BYTES):
                file.write(data)

    def _make_folder(self, folder: Path) -> None:
        if folder == self._folder or (folder.is_dir() and self._is_real(folder)):
            return
        self._make_folder(folder.parent)
        if folder.is_symlink() or folder.exists():
            raise ImageError(f"{self._origin}: an entry would be written through {folder.name!r}")
        folder.mkdir(mode=0o755)

    def _is_real(self, folder: Path) -> bool:
        """Is no link among the parents, up to the folder being filled?"""
        while folder != self._folder:
            if folder.is_symlink():
                return False
            folder = folder.parent
        return True

    def _check_link(self, target: str, path: PurePosixPath) -> None:
        # `..` after a name would be taken by the kernel from wherever that name's link leads.
        parts = PurePosixPath(target).parts
        ups = len(parts) - len(tuple(dropwhile(lambda part: part == "..", parts)))
        if target.startswith("/") or ".." in parts[ups:] or ups > len(path.parent.parts):
            raise ImageError(f"{self._origin}: the link {path} leads out of the archive: {target}")


def _entry_path(name: str, origin: str) -> PurePosixPath:
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts or "\0" in name:
        raise ImageError(f"{origin}: an entry has `..` in its name: {name[:200]!r}")
    return path
