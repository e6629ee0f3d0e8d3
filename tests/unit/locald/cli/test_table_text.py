"""Tables and times for people."""

import pytest

from locald.cli.table_text import ago, table_lines


def test_columns_are_aligned() -> None:
    rows = [("a", "1 B", "x"), ("longer", "100 kB", "")]
    assert list(table_lines(("NAME", "SIZE", "USED"), rows, right=frozenset({1}))) == [
        "NAME      SIZE  USED",
        "a          1 B  x",
        "longer  100 kB",
    ]


def test_a_column_that_says_nothing_is_left_out() -> None:
    rows = [("a", "-", "-"), ("b", "-", "main")]
    lines = table_lines(("NAME", "PROJECT", "BRANCH"), rows, optional=frozenset({1, 2}))
    assert list(lines) == ["NAME  BRANCH", "a     -", "b     main"]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (None, ["NAME  FOLDER", "a     /home/dev/some/where/shop"]),
        (31, ["NAME  FOLDER", "a     /home/dev/some/where/shop"]),
        (24, ["NAME  FOLDER", "a     …v/some/where/shop"]),
        (3, ["NAME  FOLDER", "a     …/where/shop"]),
    ],
)
def test_paths_are_cut_where_the_terminal_is_narrow(width: int | None, lines: list[str]) -> None:
    rows = [("a", "/home/dev/some/where/shop")]
    assert list(table_lines(("NAME", "FOLDER"), rows, shrinking=(1, 0), width=width)) == lines


def test_names_are_cut_after_paths() -> None:
    rows = [("a-long-name-of-an-image", "/home/dev/some/where/shop")]
    lines = table_lines(("NAME", "FOLDER"), rows, shrinking=(1, 0), width=37)
    assert list(lines)[1] == "a-long-name-of-an-image  …/where/shop"
    lines = table_lines(("NAME", "FOLDER"), rows, shrinking=(1, 0), width=36)
    assert list(lines)[1] == "…long-name-of-an-image  …/where/shop"


def test_a_table_without_rows_is_nothing() -> None:
    assert list(table_lines(("NAME",), [])) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s ago"),
        (59, "59 s ago"),
        (61, "1 min ago"),
        (3600, "1 h ago"),
        (86400, "1 day ago"),
        (3 * 86400, "3 days ago"),
        (7 * 86400, "1 week ago"),
        (20 * 86400, "2 weeks ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_a_time_is_told_as_people_do(seconds: float, text: str) -> None:
    assert ago(1000.0, 1000.0 + seconds) == text
