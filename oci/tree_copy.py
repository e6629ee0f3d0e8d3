"""A folder of this host, copied as faithfully as `oci.tree_tar` keeps it."""

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from oci.errors import StorageError
from oci.tree_tar import EntryKind, TreeEntry

_FICLONE = 0x40049409  # linux/fs.h; btrfs and xfs know it, ext4 does not


def copy_tree(source: Path, entries: Iterable[TreeEntry], target: Path) -> None:
    """Entries of `list_tree(source)`, into a folder that is there and empty. Links stay links."""
    folders: list[tuple[Path, int]] = []
    copies: dict[tuple[int, int], Path] = {}
    try:
        for entry in entries:
            place = target / entry.path
            match entry.kind:
                case EntryKind.FOLDER:
                    place.mkdir(mode=0o700)
                    folders.append((place, entry.mode))
                case EntryKind.LINK:
                    place.symlink_to(entry.target)
                case EntryKind.FILE:
                    _copy_file(source / entry.path, place, entry, copies)
        for place, mode in reversed(folders):
            place.chmod(mode)
    except OSError as error:
        raise StorageError(f"{source} cannot be copied: {error}") from error


def _copy_file(
    source: Path, place: Path, entry: TreeEntry, copies: dict[tuple[int, int], Path]
) -> None:
    first = copies.setdefault(entry.inode, place)
    if first != place:
        os.link(first, place, follow_symlinks=False)
        return
    if not _cloned(source, place):
        shutil.copyfile(source, place, follow_symlinks=False)
    place.chmod(entry.mode)
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))


def _cloned(source: Path, place: Path) -> bool:
    """A copy that shares its blocks until one of the two is written, where the file system can."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as old, place.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            place.unlink()
            return False
    return True
