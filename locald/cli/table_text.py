"""Tables for people: aligned columns under a line of titles; times and sizes as people say them."""

import time
from collections.abc import Iterator, Sequence

_GAP = "  "
_STEPS = ((60, "s"), (60, "min"), (24, "h"), (7, "days"), (52, "weeks"))


def table_lines(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()
) -> Iterator[str]:
    """The lines of a table; nothing at all without rows. right: columns aligned to the right."""
    if not rows:
        return
    widths = [max(len(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
    for row in (titles, *rows):
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield _GAP.join(cells).rstrip()


def ago(then: float, now: float | None = None) -> str:
    """`3 h ago`; of the future, `now`."""
    amount = max((time.time() if now is None else now) - then, 0.0)
    for size, unit in _STEPS:
        if amount < size:
            whole = int(amount)
            return f"{whole} {unit.removesuffix('s') if whole == 1 and len(unit) > 3 else unit} ago"
        amount /= size
    return f"{int(amount)} years ago"
