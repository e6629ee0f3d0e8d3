"""A tree in parts, so that little of it changes when little of it changes.

The same tree always gives the same parts. A folder is a part as long as it is small; else what is
in it is. Small neighbours share a part, chosen by their names: the parts of the others stay as they
are when one comes or goes.
"""

import hashlib
import os
from dataclasses import dataclass, field

from oci.tree_tar import EntryKind, TreeEntry

_PART_BYTES = 4 << 20
# Each part costs a registry one or two requests.
_AIMED_PARTS = 128
_MAX_PARTS = 384
_HEADER_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of a tree's entries, in its order, with the folders that they are in."""

    entries: tuple[TreeEntry, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """What is in it."""
        return tuple(entry.path for entry in self.entries)

    def fingerprint(self) -> str:
        """The same as long as nothing was written; no content is read for it, but of files all
        that changes with it."""
        hasher = hashlib.sha256()
        for entry in self.entries:
            known: tuple[object, ...] = (entry.kind.name, entry.mode, entry.target)
            if entry.kind is EntryKind.FILE:
                known = (
                    *known, entry.size_bytes, entry.mtime_ns, entry.ctime_ns, *entry.inode
                )  # fmt: skip
            hasher.update(os.fsencode(f"{entry.path}\0{known!r}\0"))
        return hasher.hexdigest()


@dataclass(slots=True)
class _Folder:
    """A folder, or the root: which entries (by number) are right in it, and the size of all."""

    children: list[int] = field(default_factory=list)
    size_bytes: int = 0


def split(
    entries: tuple[TreeEntry, ...], *, part_bytes: int = _PART_BYTES, max_parts: int = _MAX_PARTS
) -> tuple[Part, ...]:
    """The parts of a tree, from `list_tree`."""
    tree = _Tree(entries)
    while tree.size_bytes > part_bytes * min(_AIMED_PARTS, max_parts):
        part_bytes *= 2
    while len(groups := tree.groups(part_bytes)) > max_parts:
        part_bytes *= 2
    return tuple(tree.part(group) for group in groups)


class _Tree:
    def __init__(self, entries: tuple[TreeEntry, ...]) -> None:
        self._entries = entries
        self._number = {entry.path: number for number, entry in enumerate(entries)}
        self._folders: dict[str, _Folder] = {"": _Folder()}
        for number, entry in enumerate(entries):
            if entry.kind is EntryKind.FOLDER:
                self._folders[entry.path] = _Folder()
            self._folders[_parent(entry.path)].children.append(number)
        # What is in a folder follows it: backwards, each is complete before its parent.
        for entry in reversed(entries):
            self._folders[_parent(entry.path)].size_bytes += self._size_bytes(entry)

    @property
    def size_bytes(self) -> int:
        return self._folders[""].size_bytes

    def groups(self, part_bytes: int) -> list[list[int]]:
        """Which entries, each with all below it, make up a part together."""
        found: list[list[int]] = []
        pending = [""]
        while pending:
            small: list[int] = []
            for number in self._folders[pending.pop()].children:
                entry = self._entries[number]
                size_bytes = self._size_bytes(entry)
                if size_bytes <= part_bytes // 2:
                    small.append(number)
                elif size_bytes > part_bytes and entry.kind is EntryKind.FOLDER:
                    pending.append(entry.path)
                else:
                    found.append([number])
            found += self._binned(small, part_bytes)
        return found

    def part(self, group: list[int]) -> Part:
        numbers: set[int] = set()
        for number in group:
            path = self._entries[number].path
            numbers.add(number)
            end = number + 1
            while end < len(self._entries) and self._entries[end].path.startswith(f"{path}/"):
                numbers.add(end)
                end += 1
            while path := _parent(path):
                numbers.add(self._number[path])
        return Part(entries=tuple(self._entries[number] for number in sorted(numbers)))

    def _binned(self, numbers: list[int], part_bytes: int) -> list[list[int]]:
        size_bytes = sum(self._size_bytes(self._entries[number]) for number in numbers)
        count = 1
        while size_bytes > count * part_bytes:
            count *= 2
        bins: dict[int, list[int]] = {}
        for number in numbers:
            name = hashlib.sha256(os.fsencode(self._entries[number].path)).digest()
            bins.setdefault(int.from_bytes(name[:4], "big") % count, []).append(number)
        return [bins[key] for key in sorted(bins)]

    def _size_bytes(self, entry: TreeEntry) -> int:
        below = self._folders[entry.path].size_bytes if entry.kind is EntryKind.FOLDER else 0
        return _HEADER_BYTES + entry.size_bytes + below


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
