"""git's patterns as regular expressions.

Source: gitignore(5), and git's wildmatch.c where the manual is silent. Unlike there, `?` and a
set match a character of the name and not a byte.

A pattern may come from a stranger, so none may take exponential time: behind a `*` the leftmost
place where the next piece fits is taken for good (an atomic group). That loses no match, because
a piece is of fixed length and whatever follows can only gain room.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CLASSES = {
    "alnum": "A-Za-z0-9", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r" \t-\r", "upper": "A-Z", "xdigit": "A-Fa-f0-9",
}  # fmt: skip
_ANY = "[^/]*"


class _One(NamedTuple):
    """A token that matches exactly one character, as a regular expression."""

    regex: str


class _Stars(NamedTuple):
    """One `*` or several in a row."""

    stars: int


_Token = _One | _Stars
_SLASH = _One("/")


def name_regex(pattern: str) -> str:
    """For a pattern without a slash: what names it matches. Raises ValueError."""
    return _segment(list(_tokens(pattern)))


def path_regex(pattern: str) -> str:
    """For a pattern with a slash: what paths it matches, from the pattern's own folder on.

    pattern: without the slashes at its beginning and its end. Raises ValueError.
    """
    # Groups of segments; between them there may be any number of folders.
    groups: list[list[list[_Token]]] = [[]]
    for segment in _split(list(_tokens(pattern))):
        if _is_any_folders(segment):
            groups.append([])
        else:
            groups[-1].append(segment)
    if len(groups) == 1:
        return "/".join(map(_segment, groups[0]))
    first, *middle, last = ("/".join(map(_segment, group)) for group in groups)
    return (
        (f"{first}/" if groups[0] else "")
        + "".join(
            f"(?>(?:[^/]+/)*?{text}/)"
            for group, text in zip(groups[1:-1], middle, strict=True)
            if group
        )
        + (f"(?:[^/]+/)*{last}" if groups[-1] else ".+")
    )


def _is_any_folders(segment: Sequence[_Token]) -> bool:
    """`**`, or more stars, alone between slashes."""
    return len(segment) == 1 and isinstance(segment[0], _Stars) and segment[0].stars > 1


def _split(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    segment: list[_Token] = []
    for token in tokens:
        if token == _SLASH:
            yield segment
            segment = []
        else:
            segment.append(token)
    yield segment


def _segment(tokens: Sequence[_Token]) -> str:
    """What names this piece between two slashes matches."""
    pieces = [""]
    for token in tokens:
        if isinstance(token, _Stars):
            pieces.append("")
        else:
            pieces[-1] += token.regex
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + _ANY + last


def _tokens(pattern: str) -> Iterator[_Token]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            start = at - 1
            while at < len(pattern) and pattern[at] == "*":
                at += 1
            yield _Stars(at - start)
        elif character == "?":
            yield _One("[^/]")
        elif character == "[":
            regex, at = _set(pattern, at)
            yield _One(regex)
        elif character == "\\":
            if at == len(pattern):
                raise ValueError("ends with a backslash that escapes nothing")
            yield _One(re.escape(pattern[at]))
            at += 1
        else:
            yield _One(re.escape(character))


def _set(pattern: str, at: int) -> tuple[str, int]:
    """The set whose `[` is before `at`, and where it ends. It never matches a slash."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    start, items, low = at, [], ""
    while at == start or pattern[at : at + 1] != "]":
        if pattern.startswith("[:", at) and (name := _class_name(pattern, at)) is not None:
            if name not in _CLASSES:
                raise ValueError(f"has no known class in [:{name}:]")
            items.append(_CLASSES[name])
            at += len(name) + 4
            low = ""
            continue
        is_range = low and pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]")
        at += bool(is_range)
        character, at = _member(pattern, at)
        if not is_range:
            items.append(re.escape(character))
            low = character
            continue
        if character < low:
            raise ValueError(f"has a range that holds nothing: {low}-{character}")
        items[-1] = f"{re.escape(low)}-{re.escape(character)}"
        low = ""
    text = "".join(items)
    return f"(?!/)[{'^' if negated else ''}{text}]", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 1] == "\\":
        at += 1
    if at >= len(pattern):
        raise ValueError("has a [ without its ]")
    return pattern[at], at + 1


def _class_name(pattern: str, at: int) -> str | None:
    """`digit` of `[:digit:]` at this place; None where the `[` is a member like others."""
    end = pattern.find("]", at + 2)
    if end < 0:
        raise ValueError("has a [ without its ]")
    inner = pattern[at + 2 : end]
    return inner[:-1] if inner.endswith(":") else None
