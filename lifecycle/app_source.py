"""The application's source: what of it the build sees."""

import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from oci.allocation import file_bytes
from oci.errors import UsageError

HideRule: TypeAlias = Callable[[str, Sequence[os.DirEntry[str]]], Collection[str]]
"""(folder relative to the root, `""` or ending in `/`; its entries) → the names to hide."""

PruneRule: TypeAlias = Callable[[str], bool]
"""A folder (as above) in which nothing is left to see → whether it is hidden, too."""

Visitor: TypeAlias = Callable[[str, int], None]
"""Told of each file and link that the build sees: its path, and its size (a link's is 0)."""

_UNREADABLE_SHOWN = 10
_BIG_BYTES = 1 << 30

_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


@dataclass(frozen=True, kw_only=True)
class SourceScan:
    """What one walk over the source found. Every path is relative to its root, and names that
    are not UTF-8 are surrogate-escaped.

    hidden: what the build must not see; never a path below another one of them.
    files: regular files that the build sees, and their size in all.
    broken_links, absolute_links: symbolic links that point nowhere, or by an absolute path;
        kept as they are.
    foreign: files and folders of other users or groups. The build's namespace does not have
        their ids, and the kernel lets nobody in it change them; so the build gets copies.
    sparse: big files that take far less of the disk than an image that holds them, and their size.
    notes: one line each for people.
    """

    hidden: tuple[PurePosixPath, ...]
    files: int
    size_bytes: int
    broken_links: tuple[PurePosixPath, ...] = ()
    absolute_links: tuple[PurePosixPath, ...] = ()
    foreign: tuple[PurePosixPath, ...] = ()
    sparse: tuple[tuple[PurePosixPath, int], ...] = ()
    notes: tuple[str, ...] = ()


def hidden_paths(
    root: Path,
    hides: HideRule,
    *,
    prunes: PruneRule | None = None,
    visit: Visitor | None = None,
) -> SourceScan:
    """Walk the source once, without ever entering a hidden folder.

    Sockets, FIFOs and devices are hidden always: they cannot be a part of an image.

    prunes: None keeps every folder in which nothing is left to see.
    Raises UsageError when something that is not hidden cannot be read.
    """
    walk = _Walk(root, hides, visit)
    walk.run()
    if walk.unreadable:
        raise _unreadable_error(walk.unreadable)
    hidden = _with_empty_folders(walk, prunes) if prunes is not None else walk.hidden
    return SourceScan(
        hidden=tuple(PurePosixPath(path) for path in sorted(hidden)),
        files=walk.files,
        size_bytes=walk.size_bytes,
        broken_links=tuple(PurePosixPath(path) for path in sorted(walk.broken_links)),
        absolute_links=tuple(PurePosixPath(path) for path in sorted(walk.absolute_links)),
        foreign=tuple(PurePosixPath(path) for path in sorted(walk.foreign)),
        sparse=tuple((PurePosixPath(path), size) for path, size in sorted(walk.sparse)),
        notes=tuple(_notes(walk)),
    )


def special_kind(mode: int) -> str | None:
    """What a file of this mode is called that is hidden always; None for others."""
    return _SPECIAL.get(stat.S_IFMT(mode))


def printable(path: str) -> str:
    """A path for people's eyes: control characters and bytes that are no text are escaped."""
    if path.isprintable():
        return path
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in path
    )


class _Walk:
    def __init__(self, root: Path, hides: HideRule, visit: Visitor | None) -> None:
        self.root = str(root)
        self.hides = hides
        self.visit = visit
        self.hidden: list[str] = []
        self.special: list[tuple[str, str]] = []
        self.unreadable: list[str] = []
        self.broken_links: list[str] = []
        self.absolute_links: list[str] = []
        self.folders: list[str] = []
        self.populated: set[str] = set()
        self.foreign: list[str] = []
        self.sparse: list[tuple[str, int]] = []
        self.files = 0
        self.size_bytes = 0
        self._euid = os.geteuid()
        self._egid = os.getegid()

    def run(self) -> None:
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(f"{self.root}/{folder}") as iterator:
                    entries = list(iterator)
                # Listing needs only r; without x nothing in the folder can be opened.
                if entries and not os.access(f"{self.root}/{folder}", os.X_OK):
                    raise PermissionError
            except OSError:
                self.unreadable.append(folder or ".")
                continue
            self.folders.append(folder)
            pending += self._folder(folder, entries)

    def _folder(self, folder: str, entries: list[os.DirEntry[str]]) -> list[str]:
        """Take in one folder's entries; returns the folders to enter."""
        hidden = self.hides(folder, entries)
        children: list[str] = []
        populated = False
        for entry in entries:
            if entry.name in hidden:
                self.hidden.append(folder + entry.name)
            elif entry.is_file(follow_symlinks=False):
                populated = True
                self._file(folder, entry)
            elif entry.is_dir(follow_symlinks=False):
                self._child(folder, entry, children)
            elif entry.is_symlink():
                populated = True
                self._link(folder + entry.name, entry)
            else:
                self._special(folder + entry.name, entry)
        if populated:
            self.populated.add(folder)
        return children

    def _child(self, folder: str, entry: os.DirEntry[str], children: list[str]) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # its path is too long
            self.unreadable.append(f"{folder}{entry.name}/")
            return
        children.append(f"{folder}{entry.name}/")
        if self._is_foreign(status):
            self.foreign.append(folder + entry.name)

    def _file(self, folder: str, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            self.unreadable.append(folder + entry.name)
            return
        self.files += 1
        self.size_bytes += status.st_size
        if self.visit is not None:
            self.visit(folder + entry.name, status.st_size)
        if self._is_foreign(status):
            self.foreign.append(folder + entry.name)
        if status.st_size > _BIG_BYTES and file_bytes(status) < status.st_size // 2:
            self.sparse.append((folder + entry.name, status.st_size))
        # For our own files the owner's bit decides; access(2) costs a call for each file.
        own = status.st_uid == self._euid and status.st_mode & stat.S_IRUSR
        if not own and not os.access(entry.path, os.R_OK):
            self.unreadable.append(folder + entry.name)

    def _is_foreign(self, status: os.stat_result) -> bool:
        # Of this user's groups only the first is mapped into the build's namespace.
        return (status.st_uid, status.st_gid) != (self._euid, self._egid)

    def _link(self, path: str, entry: os.DirEntry[str]) -> None:
        if self.visit is not None:
            self.visit(path, 0)
        if os.readlink(entry.path).startswith("/"):  # noqa: PTH115
            self.absolute_links.append(path)
        elif not os.access(entry.path, os.F_OK):
            self.broken_links.append(path)

    def _special(self, path: str, entry: os.DirEntry[str]) -> None:
        self.hidden.append(path)
        mode = entry.stat(follow_symlinks=False).st_mode
        self.special.append((path, special_kind(mode) or "a special file"))


def _with_empty_folders(walk: _Walk, prunes: PruneRule) -> list[str]:
    """The hidden paths when folders with nothing to see are hidden as a whole."""
    prunable = {f for f in walk.folders if f not in walk.populated and prunes(f)}
    if not prunable:
        return walk.hidden
    kept = set(walk.folders) - prunable
    seen = set(kept)
    for folder in kept:
        parent = folder
        while parent:
            parent = parent[: parent.rstrip("/").rfind("/") + 1]
            if parent in seen:
                break
            seen.add(parent)
    seen.add("")
    empty = {folder for folder in walk.folders if folder not in seen}

    def covered(path: str) -> bool:
        return path[: path.rstrip("/").rfind("/") + 1] in empty

    hidden = [path for path in walk.hidden if not covered(path)]
    return hidden + [folder.rstrip("/") for folder in empty if not covered(folder)]


def _notes(walk: _Walk) -> list[str]:
    notes = [f"left out {printable(path)}: {kind}" for path, kind in sorted(walk.special)]
    notes += [f"{printable(path)}: the link points nowhere" for path in sorted(walk.broken_links)]
    notes += [
        f"{printable(path)}: the link is absolute and means a path of the image"
        for path in sorted(walk.absolute_links)
    ]
    if walk.foreign:
        count = "1 path belongs" if len(walk.foreign) == 1 else f"{len(walk.foreign)} paths belong"
        notes.append(f"{count} to other users or groups; the build gets copies that it can change")
    return notes


def _unreadable_error(paths: list[str]) -> UsageError:
    shown = [printable(path) for path in sorted(paths)[:_UNREADABLE_SHOWN]]
    if len(paths) > len(shown):
        shown.append(f"… and {len(paths) - len(shown)} more")
    count = "1 path" if len(paths) == 1 else f"{len(paths)} paths"
    return UsageError(
        f"the source holds {count} that you cannot read",
        details=shown,
        hint="make them readable (chmod u+rX) or exclude them in locald.toml or project.toml",
    )
