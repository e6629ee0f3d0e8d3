"""Patterns of a .dockerignore file, which differ from gitignore's.

Each is about the whole path from the context's root on: `*.log` means the root's own only. A
pattern that matches a folder covers all below it, until a later line brings some of it back: also
what is deep in an excluded folder.
Source: https://docs.docker.com/build/concepts/context/#dockerignore-files, and what moby's
patternmatcher and ignorefile packages do where that is silent.
"""

import posixpath
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from locald.config.gitignore import NO_LINE

_GO_SPACE = " \t\n\v\f\r\x85\xa0"


class _Line(NamedTuple):
    """One pattern; `pattern` is cleaned of `/` and `.` that mean nothing."""

    number: int
    negated: bool
    pattern: str
    matches: Callable[[str], object]
    segments: tuple[str, ...]


class DockerPatternList:
    """Lines in order; the last one that matches an entry or a folder above it decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Raises ValueError with the offending line."""
        parsed = []
        for number, text in enumerate(lines):
            try:
                line = _parse(number, text)
            except ValueError as error:
                raise ValueError(f"{text!r} {error}") from error
            if line is not None:
                parsed.append(line)
        self._lines = tuple(reversed(parsed))
        self._returning = tuple(line for line in parsed if line.negated)
        self._negated = frozenset(line.number for line in self._returning)

    def last_match(self, path: str) -> int:
        """The number of the last line that matches this path itself, from 0; else NO_LINE."""
        for line in self._lines:
            if line.matches(path):
                return line.number
        return NO_LINE

    def is_negated(self, line: int) -> bool:
        """Does this line begin with `!`?"""
        return line in self._negated

    def may_return(self, folder: str, *, after: int) -> bool:
        """Can a line after that one bring back something below this folder?

        folder: with a slash at its end.
        """
        parts = tuple(folder.split("/")[:-1])
        return any(line.number > after and _reaches(line, parts) for line in self._returning)


def _reaches(line: _Line, parts: tuple[str, ...]) -> bool:
    for part, segment in zip(parts, line.segments, strict=False):
        if "**" in segment or re.search(r"\[[^]]*/", line.pattern):
            return True
        if not re.compile(_regex(segment), re.DOTALL).fullmatch(part):
            return False
    return len(line.segments) > len(parts)


def _parse(number: int, text: str) -> _Line | None:
    """None for what is no pattern: empty lines, comments."""
    if text.startswith("#"):
        return None
    text = text.strip(_GO_SPACE)
    negated = text.startswith("!")
    pattern = text[negated:].strip(_GO_SPACE)
    if not pattern:
        if negated:
            raise ValueError("is no pattern")
        return None
    pattern = _cleaned(pattern)
    return _Line(
        number=number,
        negated=negated,
        pattern=pattern,
        matches=_matcher(pattern),
        segments=tuple(pattern.split("/")),
    )


def _cleaned(pattern: str) -> str:
    cleaned = posixpath.normpath(pattern)
    return cleaned.lstrip("/") or "/"


def _matcher(pattern: str) -> Callable[[str], object]:
    regex = _regex(pattern)
    if not set(pattern) & set("*?[\\]"):
        return lambda path: path == pattern
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?[\\]"):
        # `**x` is any end of a path, `**/x` a whole name or more.
        rest = pattern[2:]
        return lambda path: path.endswith(rest) or path == rest.removeprefix("/")
    if pattern.endswith("**") and not set(pattern[:-2]) & set("*?[\\]"):
        return lambda path: path.startswith(pattern[:-2])
    return re.compile(regex, re.DOTALL).fullmatch


def _regex(pattern: str) -> str:
    """Go's path patterns and `**`. The leftmost fit behind a `*` is taken for good where another
    one follows in the same name, so that no pattern takes exponential time."""
    pieces: list[str] = [""]  # of one name, between stars
    done = ""
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 2 if pattern.startswith("/", at + 1) else 1
            done += _name(pieces) + (".*" if at >= len(pattern) else "(?:.*/)?")
            pieces = [""]
        elif character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "/":
            done += _name(pieces) + "/"
            pieces = [""]
        elif character == "[":
            regex, at = _set(pattern, at)
            pieces[-1] += regex
        elif character == "\\":
            if at == len(pattern):
                raise ValueError("ends with a backslash that escapes nothing")
            pieces[-1] += re.escape(pattern[at])
            at += 1
        else:
            pieces[-1] += re.escape(character)
    return done + _name(pieces)


def _name(pieces: list[str]) -> str:
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + "[^/]*" + last


def _set(pattern: str, at: int) -> tuple[str, int]:
    """The set whose `[` is before `at`, and where it ends: `^` negates, `!` does not."""
    negated = pattern.startswith("^", at)
    at += negated
    items: list[str] = []
    while not pattern.startswith("]", at) or not items:
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at) and not pattern.startswith("]", at + 1):
            high, at = _member(pattern, at + 1)
        if high < low:
            raise ValueError(f"has a range that holds nothing: {low}-{high}")
        items.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(items)}]", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    at += pattern.startswith("\\", at)
    if at >= len(pattern):
        raise ValueError("has a [ without its ]")
    return pattern[at], at + 1
