"""Takes files out of a tar archive that somebody else made, into a new folder.

`tarfile`'s own extraction is not used: what may be made here is listed, the rest is refused.
"""

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from oci.errors import ImageError
from oci.fresh_folder import FreshFolder, entry_path
from oci.layer_writer import open_tarball
from oci.tar_headers import TarHeaders


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
    keep_modes: bool = False,
    origin: str = "",
) -> None:
    """Extract regular files, folders, and links that stay inside, into `folder`, which exists.

    select: which entries to take, by their path in the archive; the others are passed over.
    origin: what the archive is called in errors, if not by its path.
    keep_modes: otherwise of a file's mode only whether it is executable is kept.
    Later entries replace earlier ones. Owners and times are not kept. Raises ImageError for
    anything that would act outside of the folder.
    """
    origin = origin or str(tarball)
    try:
        with open_tarball(tarball) as content:
            untar(
                content,
                folder,
                origin=origin,
                select=select,
                limits=limits,
                keep_modes=keep_modes,
            )
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ImageError(f"{origin} cannot be unpacked: {error}") from error


def untar(
    content: IO[bytes],
    folder: Path,
    *,
    origin: str,
    select: Callable[[PurePosixPath], bool] = lambda _: True,
    limits: UntarLimits | None = None,
    keep_modes: bool = False,
) -> None:
    """As `untar_file`, from the uncompressed content of an archive."""
    limits = limits or UntarLimits()
    target = _Member(FreshFolder(folder, origin), keep_modes=keep_modes)
    entries = size_bytes = 0
    try:
        headers = TarHeaders(content)
        for member in _members(headers, origin):
            entries += 1
            size_bytes += member.size
            if entries > limits.entries or size_bytes > limits.size_bytes:
                raise ImageError(f"{origin}: the archive holds too much")
            path = entry_path(member.name, origin)
            if path.parts and select(path):
                target.make(headers, member, path)
    except tarfile.TarError as error:
        raise ImageError(f"{origin} is not a tar archive, or damaged: {error}") from error


def _members(headers: TarHeaders, origin: str) -> Iterator[tarfile.TarInfo]:
    """What is wrong with a header is told of the archive."""
    try:
        yield from headers
    except ImageError as error:
        raise ImageError(f"{origin} is not a tar archive, or damaged: {error.message}") from error


class _Member:
    """Makes one entry after the other in the folder."""

    def __init__(self, folder: FreshFolder, *, keep_modes: bool) -> None:
        self._folder = folder
        self._keep_modes = keep_modes

    def make(self, archive: TarHeaders, member: tarfile.TarInfo, path: PurePosixPath) -> None:
        if member.isdir():
            self._folder.add_folder(path)
        elif member.isreg():
            content = archive.content(member)
            executable = 0o755 if member.mode & 0o111 else 0o644
            mode = member.mode & 0o777 if self._keep_modes else executable
            self._folder.add_file(path, content, mode=mode)
        elif member.issym():
            self._folder.add_link(path, member.linkname)
        elif member.islnk():
            self._folder.add_hard_link(path, entry_path(member.linkname, self._folder.origin))
        else:
            raise self._folder.strange(path)
