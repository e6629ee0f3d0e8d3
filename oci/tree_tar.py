"""A folder of this host as a tar archive, faithfully: the same content, modes and times always give
the same bytes, wherever the folder lies. `oci.tree_untar` is the other direction.

Links stay links and are never followed; several names of one file stay that. Sockets, devices,
FIFOs and what this user cannot read are left out. Owners are not kept, nor the times of folders
and links: a file that came and went would change them.
"""

import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from oci.errors import StorageError
from oci.tar_content import padding, write_content

_NANOSECONDS = 10**9
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class EntryKind(Enum):
    """What is kept of a tree."""

    FILE = tarfile.REGTYPE
    FOLDER = tarfile.DIRTYPE
    LINK = tarfile.SYMTYPE


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEntry:
    """One name in a tree.

    path: below the tree's root, `a/b`; bytes that are no text as `os.fsdecode` gives them.
    target: of a link, as written.
    inode: device and number: two files with the same one are one file.
    """

    path: str
    kind: EntryKind
    mode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: tuple[int, int]
    target: str = ""


def list_tree(root: Path) -> tuple[TreeEntry, ...]:
    """All that is below a folder, sorted so that a folder comes before what is in it."""
    return tuple(_entries(root))


class TreeTar:
    """Writes an archive to `sink`, piece by piece; memory use does not depend on its size."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink

    def add_tree(self, root: Path, entries: Iterable[TreeEntry], *, prefix: str = "") -> None:
        """Entries of `list_tree(root)`. prefix: what stands before their paths, `a/`."""
        names: dict[tuple[int, int], str] = {}
        for entry in entries:
            name = prefix + entry.path
            first = names.setdefault(entry.inode, name) if entry.kind is EntryKind.FILE else name
            if first != name:
                self._header(name, tarfile.LNKTYPE, entry.mode, target=first)
            elif entry.kind is EntryKind.FILE:
                self._add_file(root / entry.path, name, entry)
            else:
                self._header(name, entry.kind.value, entry.mode, target=entry.target)

    def add_file(self, name: str, content: bytes) -> None:
        """A file with this content."""
        self._header(name, tarfile.REGTYPE, 0o644, size_bytes=len(content))
        self._sink(content)
        self._sink(padding(len(content)))

    def close(self) -> None:
        """The mark that ends an archive."""
        self._sink(bytes(2 * tarfile.BLOCKSIZE))

    def _add_file(self, path: Path, name: str, entry: TreeEntry) -> None:
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != entry.inode:
                raise StorageError(f"{path} was replaced while it was read")
            self._header(
                name,
                tarfile.REGTYPE,
                entry.mode,
                size_bytes=entry.size_bytes,
                mtime_ns=entry.mtime_ns,
            )
            write_content(file, entry.size_bytes, self._sink, origin=path)

    def _header(
        self,
        name: str,
        kind: bytes,
        mode: int,
        *,
        size_bytes: int = 0,
        mtime_ns: int = 0,
        target: str = "",
    ) -> None:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = mode
        info.size = size_bytes
        info.linkname = target
        seconds, fraction = divmod(mtime_ns, _NANOSECONDS)
        info.mtime = seconds
        if fraction:  # compilers compare times to the last digit
            info.pax_headers = {"mtime": f"{seconds}.{fraction:09}"}
        self._sink(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def _entries(root: Path) -> Iterator[TreeEntry]:
    pending = [iter(_scanned(root, ""))]
    while pending:  # not by recursion: a build may have left folders in folders without end
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
            continue
        yield entry
        if entry.kind is EntryKind.FOLDER:
            pending.append(iter(_scanned(root / entry.path, f"{entry.path}/")))


def _scanned(folder: Path, prefix: str) -> Iterator[TreeEntry]:
    try:
        with os.scandir(folder) as scan:
            found = sorted(scan, key=lambda entry: os.fsencode(entry.name))
    except OSError:  # another user's, without permissions, or too deep
        return
    for entry in found:
        try:
            described = _described(entry, prefix + entry.name)
        except OSError:
            continue
        if described is not None:
            yield described


def _described(found: os.DirEntry[str], path: str) -> TreeEntry | None:
    status, target = found.stat(follow_symlinks=False), ""
    if stat.S_ISREG(status.st_mode):
        if not os.access(found.path, os.R_OK):
            return None
        kind = EntryKind.FILE
    elif stat.S_ISDIR(status.st_mode):
        kind = EntryKind.FOLDER
    elif stat.S_ISLNK(status.st_mode):
        kind, target = EntryKind.LINK, os.readlink(found.path)  # noqa: PTH115  (text, as written)
    else:
        return None
    file = kind is EntryKind.FILE
    return TreeEntry(
        path=path,
        kind=kind,
        mode=0o777 if kind is EntryKind.LINK else status.st_mode & 0o777,
        size_bytes=status.st_size if file else 0,
        mtime_ns=max(0, status.st_mtime_ns) if file else 0,
        ctime_ns=status.st_ctime_ns if file else 0,
        inode=(status.st_dev, status.st_ino),
        target=target,
    )
