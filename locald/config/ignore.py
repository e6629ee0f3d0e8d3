"""What of the source the build does not see: include and exclude patterns, or the defaults."""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.app_source import HideRule, SourceScan, hidden_paths
from locald.config.errors import ConfigError

if TYPE_CHECKING:
    from locald.config.gitignore import PatternList

DEFAULT_NAMES = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".locald", ".DS_Store"}
)
"""Hidden wherever they are when neither locald.toml nor project.toml has include or exclude;
beside them `target` next to a Cargo.toml, and `venv` and `.venv` that hold a pyvenv.cfg."""

_VIRTUAL_ENVIRONMENTS = frozenset({".venv", "venv"})
_RUST_OUTPUT = "target"


@dataclass(frozen=True, kw_only=True)
class SourceRules:
    """gitignore patterns; at most one of the two is set. With neither, the defaults hold.

    where: the file and table that set them, for messages.
    """

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    where: str = ""

    def check(self) -> None:
        """Raises ConfigError when a pattern cannot be read."""
        for key, lines in (("include", self.include), ("exclude", self.exclude)):
            for index, line in enumerate(lines or ()):
                if "\0" in line or "\n" in line:
                    raise ConfigError(f"{self.where}.{key}[{index}]: one pattern per entry")
                try:
                    _patterns([line])
                except ValueError as error:
                    raise ConfigError(f"{self.where}.{key}[{index}]: {error}") from error


def scan_source(root: Path, rules: SourceRules) -> SourceScan:
    """Walk the source of one build under these rules."""
    if rules.include is not None:
        return hidden_paths(root, _all_but(_patterns(rules.include)), prune_empty=True)
    if rules.exclude is not None:
        return hidden_paths(root, _matching(_patterns(rules.exclude)))
    return hidden_paths(root, hides_by_default)


def _patterns(lines: Iterable[str]) -> "PatternList":
    # pathspec takes 15 ms, and most projects have no patterns.
    from locald.config.gitignore import PatternList

    return PatternList(lines)


def hides_by_default(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
    """The documented defaults: what can be fetched or made again, and version control."""
    names = {entry.name for entry in entries}
    hidden = set(names & DEFAULT_NAMES)
    if _RUST_OUTPUT in names and "Cargo.toml" in names:
        hidden.add(_RUST_OUTPUT)
    if names & _VIRTUAL_ENVIRONMENTS:
        hidden |= {e.name for e in entries if e.name in _VIRTUAL_ENVIRONMENTS and _is_venv(e)}
    return hidden


def _is_venv(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path, "pyvenv.cfg").is_file()


def _matching(patterns: "PatternList") -> HideRule:
    match = patterns.match

    def hides(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
        return {
            entry.name
            for entry in entries
            if match(folder + entry.name, folder=entry.is_dir(follow_symlinks=False))
        }

    return hides


def _all_but(patterns: "PatternList") -> HideRule:
    """Hides the files that no pattern includes, neither themselves nor by a folder above."""
    match = patterns.match

    def hides(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
        return {
            entry.name
            for entry in entries
            if not entry.is_dir(follow_symlinks=False)
            and not match(folder + entry.name, folder=False)
        }

    return hides
