"""gitignore patterns, for one walk that goes from folder to folder and never enters a hidden one.

pathspec does the matching. It answers for files only, and a walk must ask about folders, too, so
that two things are told to it differently (the tests compare whole walks with `git check-ignore`):
a folder is asked for without a slash at its end and of lines without theirs, because with it
`["*", "!keep/"]` would hide `keep`; and `foo/**` becomes the equal `foo/**/*`, because the former
matches `foo` itself and would hide `!foo/keep` with it.
"""

import re
from collections.abc import Iterable
from typing import AnyStr

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

_ALL_BELOW = re.compile(r"/\*\*(/*)$")
_ESCAPE_OR_BRACKET = re.compile(r"\\.|\[[!^]?\]?[^]]*\]", re.DOTALL)


class PatternList:
    """Lines in order; the last one that matches an entry decides about it."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Raises ValueError with the offending line."""
        lines = tuple(lines)
        _spec(lines)  # so that an error quotes the line as it was written
        texts = [_ALL_BELOW.sub(r"/**/*\1", _stripped(line)) for line in lines]
        self._files = _spec(texts)
        self._folders = _spec(text.rstrip("/") for text in texts)

    def match(self, path: str, *, folder: bool) -> bool:
        """Whether the lines match an entry, or a folder above it that no line negates again.

        path: relative to the root, without a slash at its end.
        """
        # A dot in pathspec's expressions does not match a newline, and `$` matches before one, in
        # 1.1 at least (cpburnz/python-pathspec#139). No name and no pattern holds a NUL.
        path = path.replace("\n", "\0")
        return (self._folders if folder else self._files).match_file(path, separators=())


class _Pattern(GitIgnoreSpecPattern):
    """What pathspec 1.1 does not know of brackets: they never match a slash (`a[!b]c`: `a/c`)."""

    __slots__ = ()

    @classmethod
    def pattern_to_regex(cls, pattern: AnyStr) -> tuple[AnyStr | None, bool | None]:
        regex, negated = super().pattern_to_regex(pattern)
        if isinstance(regex, str):
            regex = _ESCAPE_OR_BRACKET.sub(_without_slash, regex)
        return regex, negated


def _without_slash(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith("\\") or token == "[^/]":  # the latter is pathspec's own, behind a *
        return token
    # An inner [ is escaped: Python warns that it may mean something else one day.
    return "(?!/)[" + token[1:].replace("[", "\\[")


def _spec(lines: Iterable[str]) -> GitIgnoreSpec:
    # The other backends need names that are UTF-8.
    return GitIgnoreSpec([_pattern(line) for line in lines], backend="simple")


def _pattern(line: str) -> _Pattern:
    comment = line.startswith("#")
    for token in () if comment else _ESCAPE_OR_BRACKET.findall(line):
        # pathspec 1.1 reads both as a list of characters, silently (cpburnz/python-pathspec#128).
        if token.startswith("[") and ("[:" in token or "\\" in token):
            raise ValueError(f"{line!r} has a backslash or a class such as [:digit:] between [ ]")
    try:
        pattern = _Pattern(line)
    except (ValueError, re.error) as error:
        raise ValueError(f"{line!r} is no pattern: {error.__cause__ or error}") from error
    if pattern.include is None and "[" in line and not comment:
        raise ValueError(f"{line!r} has a [ without its ]")
    return pattern


def _stripped(line: str) -> str:
    return line if line.endswith("\\ ") else line.rstrip()
