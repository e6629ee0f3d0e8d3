"""The messages in docs/troubleshooting.md are messages that the sources make."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lifecycle.errors import PhaseError
from lifecycle.phase import Phase

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/troubleshooting.md"

_ROW = re.compile(r"^\| (`.*?) \| .* \|$", re.MULTILINE)
_QUOTED = re.compile(r"`([^`]+)`")
# Put together from parts: the kernel's own words and a file, a phase and its code.
_COMPOSED = {
    "No space left on device (FILE)",
    PhaseError(Phase.BUILD, 137).message.replace("build", "PHASE").removesuffix(" (exit code 137)"),
}
_ANYTHING = "\0"
_WORD = re.compile(r"[a-z]{2,}")


def _messages() -> Iterator[str]:
    for row in _ROW.finditer(PAGE.read_text()):
        yield from (text for text in _QUOTED.findall(row[1]) if text not in _COMPOSED)


@cache
def _texts_of_the_sources() -> tuple[re.Pattern[str], ...]:
    """Every text in the sources as a pattern; what is filled in may be anything."""
    texts: set[str] = set()
    for package in ("oci", "lifecycle", "locald"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (p.value if isinstance(p, ast.Constant) else None for p in node.values)
                    texts.add("".join(p if isinstance(p, str) else _ANYTHING for p in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(re.sub(r"\{\w+\}", _ANYTHING, node.value))
    said = (text for text in texts if len(_WORD.findall(text)) > 2)
    return tuple(
        re.compile(".+?".join(map(re.escape, text.replace("`", "").split(_ANYTHING))))
        for text in said
    )


@pytest.mark.parametrize("message", sorted(set(_messages())))
def test_a_message_is_one_of_ours(message: str) -> None:
    if message.endswith(" …"):
        start = re.escape(message.removesuffix(" …"))
        assert any(text.pattern.startswith(start) for text in _texts_of_the_sources())
    else:
        assert any(text.fullmatch(message) for text in _texts_of_the_sources())


def test_the_page_has_messages() -> None:
    assert len(set(_messages())) > 30
