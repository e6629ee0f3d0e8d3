"""What hides a part of the source, and what it says when it is asked why."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

DEFAULT_NAMES = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".locald", ".DS_Store"}
)
"""Hidden wherever they are when nothing else says what the build sees; beside them `target` next
to a Cargo.toml, and `venv` and `.venv` that hold a pyvenv.cfg."""

_VIRTUAL_ENVIRONMENTS = frozenset({".venv", "venv"})
_RUST_OUTPUT = "target"

Entries = Sequence[os.DirEntry[str]]


class IgnoreRule(Protocol):
    """One rule, for one walk from the top down. Folders are `""`, or end in `/`."""

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """The names of these entries of a folder that the build must not see."""
        ...

    def prunes(self, folder: str) -> bool:
        """Is this folder hidden, too, when nothing is left to see in it?"""
        ...

    def why(self, path: str, *, folder: bool) -> str:
        """The line that hides an entry, and where it is; "" when this rule does not hide it.

        To be asked after the walk.
        """
        ...


class DefaultRule:
    """What can be fetched or made again, and version control."""

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """See DEFAULT_NAMES."""
        names = {entry.name for entry in entries}
        hidden = set(names & DEFAULT_NAMES)
        if _RUST_OUTPUT in names and "Cargo.toml" in names:
            hidden.add(_RUST_OUTPUT)
        if names & _VIRTUAL_ENVIRONMENTS:
            hidden |= {e.name for e in entries if e.name in _VIRTUAL_ENVIRONMENTS and _is_venv(e)}
        return hidden

    def prunes(self, folder: str) -> bool:
        """Never: an empty folder may be wanted."""
        return False

    def why(self, path: str, *, folder: bool) -> str:
        """The name."""
        name = path[path.rfind("/") + 1 :]
        if name in DEFAULT_NAMES:
            return f"default: {name}"
        if name == _RUST_OUTPUT:
            return f"default: {name} beside a Cargo.toml"
        return f"default: {name} with a pyvenv.cfg" if name in _VIRTUAL_ENVIRONMENTS else ""


class OwnRule:
    """Hides what locald itself keeps in the source: paths below it → what they are."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """By path."""
        return {entry.name for entry in entries if folder + entry.name in self._paths}

    def prunes(self, folder: str) -> bool:
        """Never: an empty folder may be wanted."""
        return False

    def why(self, path: str, *, folder: bool) -> str:
        """What it is."""
        return self._paths.get(path, "")


class AnyRule:
    """Hides what one of several rules hides."""

    def __init__(self, rules: Sequence[IgnoreRule]) -> None:
        self._rules = tuple(rules)

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """A rule is not asked about what another one hides."""
        hidden: set[str] = set()
        for rule in self._rules:
            left = [entry for entry in entries if entry.name not in hidden] if hidden else entries
            hidden.update(rule.hides(folder, left))
        return hidden

    def prunes(self, folder: str) -> bool:
        """When one of them does."""
        return any(rule.prunes(folder) for rule in self._rules)

    def why(self, path: str, *, folder: bool) -> str:
        """The first that hides it."""
        return next(filter(None, (rule.why(path, folder=folder) for rule in self._rules)), "")


def _is_venv(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path, "pyvenv.cfg").is_file()
