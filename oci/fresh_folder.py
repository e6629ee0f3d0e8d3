"""A new folder that is filled from an archive which somebody else made.

Nothing is ever written through a link, nor is there a link that leads out of the folder.
"""

import os
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import IO

from oci.errors import ImageError

_CHUNK_BYTES = 1 << 20
_OWNER_USES = 0o600


class FreshFolder:
    """folder: exists, and is ours alone. origin: what messages call the archive.

    Later entries replace earlier ones. Raises ImageError for anything that would act elsewhere.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        self.origin = origin
        self._folder = folder

    def add_folder(self, path: PurePosixPath) -> None:
        """A folder, with those above it."""
        self._make_folder(self._folder.joinpath(*path.parts))

    def add_file(
        self, path: PurePosixPath, content: IO[bytes], *, mode: int, max_bytes: int | None = None
    ) -> int:
        """A regular file; returns its size. The owner may always read and write it.

        max_bytes: more is refused while it is written.
        """
        place = self._place(path)
        mode |= _OWNER_USES
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        written = 0
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            while data := content.read(_CHUNK_BYTES):
                written += len(data)
                if max_bytes is not None and written > max_bytes:
                    raise self.too_much()
                file.write(data)
        return written

    def add_link(self, path: PurePosixPath, target: str) -> None:
        """A symbolic link to something in the folder, whether it is there or not."""
        # `..` after a name would be taken by the kernel from wherever that name's link leads.
        parts = PurePosixPath(target).parts
        ups = len(parts) - len(tuple(dropwhile(lambda part: part == "..", parts)))
        if target.startswith("/") or ".." in parts[ups:] or ups > len(path.parent.parts):
            raise ImageError(f"{self.origin}: the link {path} leads out of the archive: {target}")
        self._place(path).symlink_to(target)

    def add_hard_link(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Another name of a file that is there."""
        place = self._place(path)
        source = self._folder.joinpath(*target.parts)
        if source.is_symlink() or not source.is_file() or not self._is_real(source.parent):
            raise ImageError(f"{self.origin}: {path} is a link to what is not there")
        os.link(source, place)

    def strange(self, path: PurePosixPath) -> ImageError:
        """What to raise for an entry of any other kind."""
        return ImageError(f"{self.origin}: {path} is neither a file nor a folder nor a link")

    def too_much(self) -> ImageError:
        """What to raise for an archive that would fill the disk."""
        return ImageError(f"{self.origin}: the archive holds too much")

    def _place(self, path: PurePosixPath) -> Path:
        """Where something that is no folder goes; what was there is gone."""
        place = self._folder.joinpath(*path.parts)
        self._make_folder(place.parent)
        if place.is_dir() and not place.is_symlink():
            raise ImageError(f"{self.origin}: {path} is a folder and then something else")
        place.unlink(missing_ok=True)
        return place

    def _make_folder(self, folder: Path) -> None:
        if folder == self._folder or (folder.is_dir() and self._is_real(folder)):
            return
        self._make_folder(folder.parent)
        if folder.is_symlink() or folder.exists():
            raise ImageError(f"{self.origin}: an entry would be written through {folder.name!r}")
        folder.mkdir(mode=0o755)

    def _is_real(self, folder: Path) -> bool:
        """Is no link among the parents, up to the folder being filled?"""
        while folder != self._folder:
            if folder.is_symlink():
                return False
            folder = folder.parent
        return True


def entry_path(name: str, origin: str) -> PurePosixPath:
    """The path of an archive's entry, relative to its root; ImageError when it leads above."""
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts or "\0" in name:
        raise ImageError(f"{origin}: an entry has `..` in its name: {name[:200]!r}")
    return path
