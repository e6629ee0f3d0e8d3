"""docs/promises.md names tests that exist, and rows of `make faults` that do."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.promised_tests import PAGE, ROOT, ROW, named_tests

ROWS = frozenset(
    key
    for path in (ROOT / "tests/faults/rows").glob("*.py")
    for key in re.findall(r'key="([a-z-]+)"', path.read_text())
)


@cache
def functions(path: Path) -> frozenset[str]:
    """The functions at the top of a module."""
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("name", sorted({name for name, _ in named_tests()}))
def test_a_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in functions(ROOT / path)


@pytest.mark.parametrize("key", sorted(set(ROW.findall(PAGE.read_text()))))
def test_a_named_row_exists(key: str) -> None:
    assert key in ROWS


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not re.match(r"\| (promise|---) ", row)]
    assert len(promises) > 40
    for promise in promises:
        assert promise.count(" | ") == 2, promise
        tests = promise.rpartition(" | ")[2]
        assert re.search(r"`tests/[\w/]+\.py::test_\w+` \u00d7\d+", tests), promise
