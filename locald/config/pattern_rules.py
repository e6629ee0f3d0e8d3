"""The rules of a project's own list of gitignore patterns."""

from collections.abc import Callable, Collection

from locald.config.errors import ConfigError
from locald.config.gitignore import NO_LINE, PatternList
from locald.config.ignore_file import IgnoreFile
from locald.config.ignore_rule import Entries, IgnoreRule


def exclude_rule(lines: tuple[str, ...], where: str) -> IgnoreRule:
    """Of a list in a TOML file; `where`: file and key path of the table. Raises ConfigError."""
    key = f"{where}.exclude"
    return ExcludeRule(_patterns(lines, key), lambda line: f"{key}[{line}]: {lines[line]}")


def include_rule(lines: tuple[str, ...], where: str) -> IgnoreRule:
    """The same of an include list."""
    key = f"{where}.include"
    return IncludeRule(_patterns(lines, key), lambda line: f"{key}[{line}]: {lines[line]}", key)


def cnbignore_rule(file: IgnoreFile) -> IgnoreRule:
    """Of a .cnbignore, whose folder is the source's. Raises ConfigError."""
    try:
        return ExcludeRule(PatternList(file.lines), file.origin)
    except ValueError as error:
        raise file.error(error) from error


class ExcludeRule:
    """gitignore patterns of things to leave out.

    origin: a line's number → the line and where it is.
    """

    def __init__(self, patterns: PatternList, origin: Callable[[int], str]) -> None:
        self._patterns = patterns
        self._origin = origin

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """Those that the last matching line does not negate."""
        match = self._patterns.match
        return {
            entry.name
            for entry in entries
            if match(folder + entry.name, folder=entry.is_dir(follow_symlinks=False))
        }

    def prunes(self, folder: str) -> bool:
        """Never: a pattern for all that is in a folder leaves the folder, as for git."""
        return False

    def why(self, path: str, *, folder: bool) -> str:
        """The last line that matches."""
        if not self._patterns.match(path, folder=folder):
            return ""
        return self._origin(self._patterns.last_match(path, folder=folder))


class IncludeRule:
    """gitignore patterns of the only things to see: the files that they match themselves, or by a
    folder above."""

    def __init__(self, patterns: PatternList, origin: Callable[[int], str], where: str) -> None:
        self._patterns = patterns
        self._origin = origin
        self._where = where
        self._above = LastMatchAbove(lambda folder: patterns.last_match(folder, folder=True))

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """Files only; folders in which none is left are pruned."""
        last_match, is_negated = self._patterns.last_match, self._patterns.is_negated
        above = self._above.of(folder)
        hidden = set()
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                line = max(above, last_match(folder + entry.name, folder=False))
                if line == NO_LINE or is_negated(line):
                    hidden.add(entry.name)
        return hidden

    def prunes(self, folder: str) -> bool:
        """Always: what is not included is gone, its folders too."""
        return True

    def why(self, path: str, *, folder: bool) -> str:
        """The line that negates it, or that there is none that names it."""
        parent = path[: path.rfind("/") + 1]
        line = max(self._above.of(parent), self._patterns.last_match(path, folder=folder))
        if line != NO_LINE and self._patterns.is_negated(line):
            return self._origin(line)
        if line == NO_LINE or folder:
            return f"not in {self._where}"
        return ""


class LastMatchAbove:
    """The last of a list's lines that matches a folder or one above it.

    last_match: a folder without its last slash → the number of a line, or NO_LINE.
    """

    def __init__(self, last_match: Callable[[str], int]) -> None:
        self._last_match = last_match
        self._known = {"": NO_LINE}

    def of(self, folder: str) -> int:
        """Of a walk from the top down, the folder above is always known."""
        if folder not in self._known:
            above = folder[: folder.rfind("/", 0, -1) + 1]
            self._known[folder] = max(self.of(above), self._last_match(folder[:-1]))
        return self._known[folder]


def _patterns(lines: tuple[str, ...], key: str) -> PatternList:
    for index, line in enumerate(lines):
        if "\0" in line or "\n" in line:
            raise ConfigError(f"{key}[{index}]: one pattern per entry")
    try:
        return PatternList(lines)
    except ValueError as error:
        bad = next(i for i, line in enumerate(lines) if str(error).startswith(repr(line)))
        raise ConfigError(f"{key}[{bad}]: {error}") from error
