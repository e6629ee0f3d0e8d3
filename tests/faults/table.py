"""The table of figures, for the terminal and for docs/reliability.md."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/reliability.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What came out of a row."""

    key: str
    title: str
    cases: int
    held: int


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    rows = ["| fault | row | cases | held |", "| --- | --- | ---: | ---: |"]
    rows += [
        f"| {line.title} | `{line.key}` | {line.cases} | {line.held}/{line.cases} |"
        for line in lines
    ]
    rows.append(f"| all | | {sum(x.cases for x in lines)} | {_total(lines)} |")
    return "\n".join(rows)


def write_table(document: Path, lines: Sequence[Line], *, command: str) -> None:
    """Between the markers of a document; rows of earlier runs do not stay."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = f"{_BEGIN}\nRun on {date} with `{command}`:\n\n{table(lines)}\n{_END}"
    old = document.read_text()
    new, found = re.subn(f"{_BEGIN}.*{_END}", lambda _: text, old, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{document} has no place for the figures")
    document.write_text(new)


def _total(lines: Sequence[Line]) -> str:
    return f"{sum(line.held for line in lines)}/{sum(line.cases for line in lines)}"
