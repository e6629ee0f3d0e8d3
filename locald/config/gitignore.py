"""gitignore patterns, with git's own meaning.

Written here and not taken from pathspec: its patterns also match what lies below a match, and
`foo/**` the folder itself, so that a walk cannot tell whether `!foo/keep` may still hold; and
importing it takes 30 ms. The tests compare every decision with `git check-ignore`.
Source: gitignore(5) and git's wildmatch.c.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_POSIX_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r" \t\n\v\f\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True)
class Pattern:
    """One line. `regex` must match the whole of an entry's path, or of its name alone where the
    pattern has no slash; both end in `/` for a folder.
    """

    regex: str
    anchored: bool
    negated: bool


class PatternList:
    """Lines in order; the last one that matches an entry decides about it."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Raises ValueError with the offending line."""
        parsed = [pattern for line in lines if (pattern := parse_pattern(line)) is not None]
        self._patterns = [(_compile(p.regex), p.anchored, p.negated) for p in reversed(parsed)]
        # Most entries match nothing; one expression for all patterns finds that out at once.
        self._any_name = _any_of(p.regex for p in parsed if not p.anchored)
        self._any_path = _any_of(p.regex for p in parsed if p.anchored)

    def decide(self, folder: str, name: str) -> bool | None:
        """True: matched; False: matched by a `!` line; None: by none. Only the entry itself
        counts, not the folders above it.

        folder: relative to the root, `""` or ending in `/`. name: ends in `/` for a folder.
        """
        if not (
            (self._any_name is not None and self._any_name(name))
            or (self._any_path is not None and self._any_path(folder + name))
        ):
            return None
        for regex, anchored, negated in self._patterns:
            if regex.fullmatch(folder + name if anchored else name):
                return not negated
        return None


def parse_pattern(line: str) -> Pattern | None:
    """One line of a gitignore file; None for a comment or nothing. Raises ValueError."""
    text = _without_trailing_spaces(line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    body = text.removeprefix("!")
    folders_only = body.endswith("/")
    body = body.removesuffix("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    if not body:
        return None
    regex = _translate(body, line) if anchored else _component(body, line)
    return Pattern(regex + ("/" if folders_only else "/?"), anchored, negated)


def _compile(regex: str) -> re.Pattern[str]:
    return re.compile(regex, re.DOTALL)


def _any_of(regexes: Iterable[str]) -> Callable[[str], object] | None:
    branches = [f"(?:{regex})" for regex in regexes]
    return _compile("|".join(branches)).fullmatch if branches else None


def _without_trailing_spaces(line: str) -> str:
    text = line.rstrip("\r\n")
    stripped = text.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if backslashes % 2 and stripped != text else stripped


def _translate(body: str, line: str) -> str:
    """A pattern with slashes, whose `**` components span folders."""
    parts = body.split("/")
    regex = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            regex += "[^/]+(?:/[^/]+)*" if last else "(?:[^/]+/)*"
        else:
            regex += _component(part, line) + ("" if last else "/")
    return regex


def _component(part: str, line: str) -> str:
    """One path component, never empty; `*` and `?` never match a slash."""
    regex, index = "(?=[^/])" if part.startswith("*") else "", 0
    while index < len(part):
        char = part[index]
        index += 1
        if char == "*":
            if not regex.endswith("[^/]*"):
                regex += "[^/]*"
        elif char == "?":
            regex += "[^/]"
        elif char == "[":
            text, index = _bracket(part, index, line)
            regex += text
        elif char == "\\":
            if index == len(part):
                raise ValueError(f"{line!r} ends in a backslash")
            regex += re.escape(part[index])
            index += 1
        else:
            regex += re.escape(char)
    return regex


def _bracket(part: str, start: int, line: str) -> tuple[str, int]:
    """`[…]` from behind its opening; returns the regex and where to go on."""
    index = start
    negated = part[index : index + 1] in ("!", "^")
    index += negated
    content, first = "", True
    while index < len(part) and (part[index] != "]" or first):
        first = False
        if part.startswith("[:", index) and (end := part.find(":]", index)) > 0:
            name = part[index + 2 : end]
            if name not in _POSIX_CLASSES:
                raise ValueError(f"{line!r} has the unknown character class [:{name[:20]}:]")
            content += _POSIX_CLASSES[name]
            index = end + 2
            continue
        low, index = _literal(part, index)
        if part[index : index + 1] == "-" and part[index + 1 : index + 2] not in ("", "]"):
            high, index = _literal(part, index + 1)
            if low > high:
                raise ValueError(f"{line!r} has a range that runs backwards: {low}-{high}")
            content += f"{re.escape(low)}-{re.escape(high)}"
        else:
            content += re.escape(low)
    if index >= len(part):
        raise ValueError(f"{line!r} has a [ without its ]")
    return (f"[^/{content}]" if negated else f"(?!/)[{content}]"), index + 1


def _literal(part: str, index: int) -> tuple[str, int]:
    if part[index] == "\\" and index + 1 < len(part):
        return part[index + 1], index + 2
    return part[index], index + 1
