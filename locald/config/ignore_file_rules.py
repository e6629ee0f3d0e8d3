"""The rules of ignore files, each after the manner of the program that it was made for."""

from collections.abc import Collection
from pathlib import Path
from typing import assert_never

from locald.config.dockerignore import DockerPatternList
from locald.config.errors import shown
from locald.config.gitignore import NO_LINE, PatternList
from locald.config.ignore_file import GITIGNORE, IgnoreFile, IgnoreSyntax, read_lines
from locald.config.ignore_rule import Entries, IgnoreRule
from locald.config.pattern_rules import LastMatchAbove


def file_rule(file: IgnoreFile) -> IgnoreRule:
    """Of a file that the user named. Raises ConfigError."""
    match file.syntax:
        case IgnoreSyntax.GIT:
            return GitignoreRule(file)
        case IgnoreSyntax.DOCKER:
            return DockerignoreRule(file)
        case _:
            assert_never(file.syntax)


class _GitPatterns:
    """One .gitignore; what git passes over because it is no pattern, matches nothing here, too."""

    def __init__(self, file: IgnoreFile) -> None:
        self.file = file
        self._patterns = PatternList(file.lines, tolerant=True)
        self._skipped = len(file.below)

    def last_match(self, path: str, *, folder: bool) -> int:
        return self._patterns.last_match(self.file.prefix + path[self._skipped :], folder=folder)

    def is_negated(self, line: int) -> bool:
        return self._patterns.is_negated(line)


class GitignoreRule:
    """As git reads them: the file nearest to an entry that has a line about it decides."""

    def __init__(self, file: IgnoreFile) -> None:
        self._file = file
        top = tuple(_GitPatterns(each) for each in (file, *file.between))
        # Nearest first; of a walk from the top down, the folder above is always known.
        self._known: dict[str, tuple[_GitPatterns, ...]] = {file.below: top[::-1]}
        self._reads_own = bool(file.prefix)

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """Reads the folder's own file on the way."""
        if not folder.startswith(self._file.below):
            return ()
        lists = self._of(folder, entries)
        return {
            entry.name
            for entry in entries
            if _decides(lists, folder + entry.name, folder=entry.is_dir(follow_symlinks=False))
        }

    def prunes(self, folder: str) -> bool:
        """Never."""
        return False

    def why(self, path: str, *, folder: bool) -> str:
        """The line that decided."""
        lists = self._known.get(path[: path.rfind("/") + 1], ())
        found = _decides(lists, path, folder=folder)
        return found[0].origin(found[1]) if found is not None else ""

    def _of(self, folder: str, entries: Entries) -> tuple[_GitPatterns, ...]:
        at_top = folder == self._file.below
        lists = self._known[folder if at_top else folder[: folder.rfind("/", 0, -1) + 1]]
        if self._file.nested and (not at_top or self._reads_own):
            for entry in entries:
                if entry.name == GITIGNORE and entry.is_file(follow_symlinks=False):
                    path = Path(entry.path)
                    file = IgnoreFile(label=shown(path), lines=read_lines(path), below=folder)
                    lists = (_GitPatterns(file), *lists)
        self._known[folder] = lists
        return lists


def _decides(
    lists: tuple[_GitPatterns, ...], path: str, *, folder: bool
) -> tuple[IgnoreFile, int] | None:
    """The file and the number of the line that hides an entry; None when nothing does."""
    for patterns in lists:
        line = patterns.last_match(path, folder=folder)
        if line != NO_LINE:
            return None if patterns.is_negated(line) else (patterns.file, line)
    return None


class DockerignoreRule:
    """What an excluded folder holds may be brought back; so it is looked into when a line says
    something about what may be below, and hidden when nothing was brought back."""

    def __init__(self, file: IgnoreFile) -> None:
        """Raises ConfigError."""
        self._file = file
        try:
            self._patterns = DockerPatternList(file.lines)
        except ValueError as error:
            raise file.error(error) from error
        self._above = LastMatchAbove(lambda folder: self._patterns.last_match(self._path(folder)))
        self._looked_into: set[str] = set()

    def hides(self, folder: str, entries: Entries) -> Collection[str]:
        """What a line matches, itself or by a folder above, and no later line brings back."""
        if not folder.startswith(self._file.below):
            return ()
        hidden = set()
        above = self._above.of(folder)
        for entry in entries:
            path = folder + entry.name
            line = self._excluding(path, above)
            if line == NO_LINE:
                continue
            inside = f"{path}/"
            if entry.is_dir(follow_symlinks=False) and self._patterns.may_return(
                self._path(inside), after=line
            ):
                self._looked_into.add(inside)
            else:
                hidden.add(entry.name)
        return hidden

    def prunes(self, folder: str) -> bool:
        """When a line excludes it."""
        return folder in self._looked_into

    def why(self, path: str, *, folder: bool) -> str:
        """The line that decided."""
        if not path.startswith(self._file.below):
            return ""
        line = self._excluding(path, self._above.of(path[: path.rfind("/") + 1]))
        return self._file.origin(line) if line != NO_LINE else ""

    def _excluding(self, path: str, above: int) -> int:
        line = max(above, self._patterns.last_match(self._path(path)))
        return NO_LINE if line == NO_LINE or self._patterns.is_negated(line) else line

    def _path(self, path: str) -> str:
        return self._file.prefix + path[len(self._file.below) :]
