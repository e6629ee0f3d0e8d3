"""The table of figures, for the terminal and for docs/reliability.md."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/reliability.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_LINE = re.compile(r"^\| (.+) \| `(.+)` \| (\d+) \| (\d+)/\d+ \| (.+) \| `(.+)` \|$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What came out of a row. date, how: when, and with which arguments it was run."""

    key: str
    title: str
    cases: int
    held: int
    date: str = ""
    how: str = ""


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    rows = [
        "| fault | row | cases | held | run on | with |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    rows += [
        f"| {line.title} | `{line.key}` | {line.cases} | {line.held}/{line.cases} "
        f"| {line.date} | `{line.how}` |"
        for line in lines
    ]
    total = sum(line.cases for line in lines)
    rows.append(f"| all | | {total} | {sum(line.held for line in lines)}/{total} | | |")
    return "\n".join(rows)


def today() -> str:
    """The date, as everywhere."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def read_table(document: Path) -> tuple[Line, ...]:
    """What a document says."""
    found = _LINE.findall(document.read_text())
    return tuple(
        Line(title=title, key=key, cases=int(cases), held=int(held), date=date, how=how)
        for title, key, cases, held, date, how in found
    )


def write_table(document: Path, lines: Sequence[Line], *, order: Sequence[str]) -> None:
    """Between the markers of a document. Rows that were not run now stay as they were.

    order: the keys of all rows; others go.
    """
    by_key = {line.key: line for line in (*read_table(document), *lines)}
    kept = [by_key[key] for key in order if key in by_key]
    text = f"{_BEGIN}\n\n{table(kept)}\n\n{_END}"
    pattern = f"{re.escape(_BEGIN)}.*{re.escape(_END)}"
    new, found = re.subn(pattern, lambda _: text, document.read_text(), flags=re.DOTALL)
    if not found:
        raise ValueError(f"{document} has no place for the figures")
    document.write_text(new)
