"""Tables for people: aligned columns under a line of titles; times and sizes as people say them."""

import time
from collections.abc import Iterator, Sequence

_GAP = "  "
NOTHING = "-"
_CUT = "…"
_NARROWEST = 12
_STEPS = ((60, "s"), (60, "min"), (24, "h"), (7, "days"), (52, "weeks"))


def table_lines(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    optional: frozenset[int] = frozenset(),
    shrinking: Sequence[int] = (),
    width: int | None = None,
) -> Iterator[str]:
    """The lines of a table; nothing at all without rows.

    right: columns aligned to the right. optional: left out when they say `NOTHING` in every row.
    shrinking: columns that are cut, at the front, where the table is wider than `width`: the first
    of them as far as is of use, then the next.
    """
    if not rows:
        return
    shown = [
        index
        for index in range(len(titles))
        if index not in optional or any(row[index] != NOTHING for row in rows)
    ]
    widths = {index: max(len(row[index]) for row in (titles, *rows)) for index in shown}
    if width is not None:
        _shrink(widths, shrinking, width)
    for row in (titles, *rows):
        cells = ((_cut(row[index], widths[index]), index) for index in shown)
        yield _GAP.join(
            cell.rjust(widths[index]) if index in right else cell.ljust(widths[index])
            for cell, index in cells
        ).rstrip()


def _shrink(widths: dict[int, int], shrinking: Sequence[int], width: int) -> None:
    excess = sum(widths.values()) + len(_GAP) * (len(widths) - 1) - width
    for index in shrinking:
        cut = min(excess, widths.get(index, 0) - _NARROWEST)
        if cut > 0:
            widths[index] -= cut
            excess -= cut


def _cut(text: str, width: int) -> str:
    """The end of a path or a name tells more than its beginning."""
    return text if len(text) <= width else _CUT + text[len(text) - width + 1 :]


def counted(number: int, what: str) -> str:
    """`1 image`, `2 images`, `2 build caches`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def ago(then: float, now: float | None = None) -> str:
    """`3 h ago`; of the future, `now`."""
    amount = max((time.time() if now is None else now) - then, 0.0)
    for size, unit in _STEPS:
        if amount < size:
            whole = int(amount)
            return f"{whole} {unit.removesuffix('s') if whole == 1 and len(unit) > 3 else unit} ago"
        amount /= size
    return f"{int(amount)} years ago"
