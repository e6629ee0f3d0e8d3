"""Compares an unpacked root filesystem with umoci's list of it. Run as a program, as the root of a
namespace that may read all of its files, hence of the standard library alone.

    python root_check.py BUNDLE     prints what differs, one line each; nothing when all is right

The list is mtree's format: `/set` gives defaults, an entry without a slash is in the present
folder, a folder becomes the present one, `..` leaves it; names have octal escapes.
Source: mtree(5); umoci 0.4.7, which writes type, mode, size, link and sha256digest.
"""

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_ESCAPE = re.compile(rb"\\([0-7]{3})")
_MOST = 20
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}


@dataclass(frozen=True)
class Entry:
    """path: relative to the root, as bytes. keywords: of mtree."""

    path: bytes
    keywords: dict[str, str]


class ListDamage(Exception):
    """The list itself cannot be read."""


def entries(lines: Iterator[bytes]) -> Iterator[Entry]:
    """The entries of a list. Raises ListDamage."""
    defaults: dict[str, str] = {}
    folder: list[bytes] = []
    for raw in lines:
        words = raw.split()
        if not words or words[0].startswith(b"#"):
            continue
        if words[0] == b"..":
            if not folder:
                raise ListDamage("it leaves its root")
            folder.pop()
            continue
        keywords = _keywords(words[1:])
        if words[0] == b"/set":
            defaults = keywords
            continue
        if words[0].startswith(b"/"):
            raise ListDamage(f"unknown: {words[0]!r}")
        name = _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), words[0])
        if b"/" in name or b"\0" in name or name in (b"", b".."):
            raise ListDamage(f"a name leads elsewhere: {name!r}")
        entry = Entry(b"/".join([*folder, name]), {**defaults, **keywords})
        if entry.keywords.get("type") == "dir":
            folder.append(name)
        yield entry


def differences(root: bytes, listed: Iterator[Entry]) -> Iterator[str]:
    """What is in the folder otherwise than in the list."""
    known: dict[bytes, set[bytes]] = {}
    for entry in listed:
        path = os.path.normpath(entry.path)
        folder, name = os.path.split(path)
        if path != b".":
            known.setdefault(folder or b".", set()).add(name)
        if entry.keywords.get("type") == "dir":
            known.setdefault(path, set())
        problem = _difference(b"/".join((root, path)), entry.keywords)
        if problem:
            yield f"{_shown(path)}: {problem}"
    if not known:
        yield "the list is empty"
    for folder, names in known.items():
        try:
            there = set(os.listdir(b"/".join((root, folder))))  # noqa: PTH208  (bytes)
        except OSError:
            continue  # told above
        for name in sorted(there - names):
            yield f"{_shown(b'/'.join((folder, name)))}: was not unpacked from the image"


def _difference(path: bytes, keywords: dict[str, str]) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "is gone"
    kind = _TYPES.get(stat.S_IFMT(status.st_mode), "")
    if kind != keywords.get("type"):
        return f"is a {kind}, was a {keywords.get('type')}"
    mode = keywords.get("mode")
    if kind != "link" and mode is not None and stat.S_IMODE(status.st_mode) != int(mode, 8):
        return f"has the mode {stat.S_IMODE(status.st_mode):o}, had {mode}"
    if kind == "link":
        target = _ESCAPE.sub(
            lambda found: bytes([int(found[1], 8) & 0xFF]), os.fsencode(keywords.get("link", ""))
        )
        same = os.readlink(path) == target  # noqa: PTH115  (bytes)
        return "" if same else "points elsewhere"
    if kind != "file":
        return ""
    if "size" in keywords and status.st_size != int(keywords["size"]):
        return f"has {status.st_size} bytes, had {keywords['size']}"
    wanted = keywords.get("sha256digest")
    return "" if wanted is None or _digest(path) == wanted else "has another content"


def _digest(path: bytes) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (bytes)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error)


def _keywords(words: list[bytes]) -> dict[str, str]:
    found = {}
    for word in words:
        key, _, value = os.fsdecode(word).partition("=")
        found[key] = value
    return found


def _shown(path: bytes) -> str:
    return path.decode(errors="backslashreplace")


def report(bundle: Path) -> Iterator[str]:
    """At most 20 differences between a bundle and its list."""
    lists = list(bundle.glob("*.mtree"))
    if len(lists) != 1:
        yield "umoci's list of files is gone"
        return
    root = os.fsencode(bundle / "rootfs")
    with lists[0].open("rb") as file:
        try:
            yield from islice(differences(root, entries(file)), _MOST)
        except (ListDamage, ValueError) as error:
            yield f"umoci's list of files is damaged: {error}"


if __name__ == "__main__":
    os.write(1, "".join(f"{line}\n" for line in report(Path(sys.argv[1]))).encode())
