"""gitignore patterns, for a walk that goes from folder to folder and never enters a hidden one."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from locald.config.wildmatch import name_regex, path_regex

_SPECIAL = re.compile(r"[*?\[\\]")

NO_LINE = -1


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One pattern. `anchored`: it has a slash, and is about paths and not names."""

    index: int
    negated: bool
    folders_only: bool
    anchored: bool
    literal: str | None
    regex: str

    def matcher(self) -> Callable[[str, str], object]:
        """A function of path and name."""
        if self.literal is not None:
            literal = self.literal
            return lambda path, name: name == literal
        match = re.compile(self.regex, re.DOTALL).fullmatch
        return (lambda path, name: match(path)) if self.anchored else lambda path, name: match(name)


class PatternList:
    """Lines in order; the last one that matches an entry decides about it."""

    def __init__(self, lines: Iterable[str], *, tolerant: bool = False) -> None:
        """Raises ValueError with the offending line.

        tolerant: such lines match nothing instead, as for git.
        """
        parsed = []
        for index, text in enumerate(lines):
            try:
                line = _parse(index, text)
            except ValueError as error:
                if tolerant:
                    continue
                raise ValueError(f"{text!r} {error}") from error
            if line is not None:
                parsed.append(line)
        self._negated = frozenset(line.index for line in parsed if line.negated)
        self._for_folders = _Matcher(parsed)
        self._for_files = _Matcher([line for line in parsed if not line.folders_only])

    def match(self, path: str, *, folder: bool) -> bool:
        """Whether the lines exclude (or, as an include list, include) this entry.

        path: relative to the patterns' folder, without a slash at its end. Folders above it
        are not looked at.
        """
        line = self.last_match(path, folder=folder)
        return line != NO_LINE and line not in self._negated

    def last_match(self, path: str, *, folder: bool) -> int:
        """The number of the last line that matches, from 0; else NO_LINE."""
        return (self._for_folders if folder else self._for_files).last_match(path)

    def is_negated(self, line: int) -> bool:
        """Does this line begin with `!`?"""
        return line in self._negated


class _Matcher:
    """Most entries match nothing. One look at all patterns together says so; only for the others
    the lines are tried one by one."""

    def __init__(self, lines: Iterable[_Line]) -> None:
        lines = tuple(lines)
        self._literals = frozenset(line.literal for line in lines if line.literal is not None)
        regular = [line for line in lines if line.literal is None]
        self._names = _one_of(line.regex for line in regular if not line.anchored)
        self._paths = _one_of(line.regex for line in regular if line.anchored)
        self._lines = tuple((line.index, line.matcher()) for line in reversed(lines))

    def last_match(self, path: str) -> int:
        name = path[path.rfind("/") + 1 :]
        if (
            name in self._literals
            or (self._names is not None and self._names(name))
            or (self._paths is not None and self._paths(path))
        ):
            for index, matches in self._lines:
                if matches(path, name):
                    return index
        return NO_LINE


def _one_of(regexes: Iterable[str]) -> Callable[[str], object] | None:
    joined = "|".join(regexes)
    return re.compile(joined, re.DOTALL).fullmatch if joined else None


def _parse(index: int, text: str) -> _Line | None:
    """None for what is no pattern: empty lines, comments."""
    if text.startswith("#"):
        return None
    text = _without_trailing_spaces(text)
    negated = text.startswith("!")
    pattern = text[negated:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if not pattern:
        if negated:
            raise ValueError("is no pattern")
        return None
    anchored = "/" in pattern
    is_literal = not anchored and not _SPECIAL.search(pattern)
    return _Line(
        index=index,
        negated=negated,
        folders_only=folders_only,
        anchored=anchored,
        literal=pattern if is_literal else None,
        regex=path_regex(pattern.removeprefix("/")) if anchored else name_regex(pattern),
    )


def _without_trailing_spaces(text: str) -> str:
    """Spaces at the end do not count, unless a backslash is before them."""
    end = len(text)
    while end and text[end - 1] == " ":
        backslashes = len(text[: end - 1]) - len(text[: end - 1].rstrip("\\"))
        if backslashes % 2:
            break
        end -= 1
    return text[:end]
