"""Figures, their limits, the table that people read and the JSON that machines keep."""

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.place import RESULTS


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured value and the limit of the project's goals, `value <= limit`."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def verdict(self) -> str:
        """`ok`, `miss`, or nothing where there is no limit."""
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "miss"

    def row(self) -> tuple[str, ...]:
        """The figure as a line of a table."""
        limit = "" if self.limit is None else f"≤ {self.limit:.3g} {self.unit}"
        return (self.name, f"{self.value:.3f} {self.unit}", limit, self.verdict)


def median(values: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0


def paired_ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """The median of the ratios of runs that stood side by side."""
    return median([a / b for a, b in zip(these, those, strict=True)])


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in columns, the first one to the left."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    print(f"\n{title}")
    for row in (header, *rows):
        cells = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


def print_figures(title: str, figures: Sequence[Figure]) -> None:
    """Figures beside their limits."""
    print_table(title, ("figure", "value", "limit", ""), [f.row() for f in figures])


def write_results(kind: str, document: Mapping[str, Any], figures: Sequence[Figure]) -> Path:
    """Everything measured, into tests/bench/results/."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    whole = {
        "kind": kind,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "figures": [
            {
                "name": f.name,
                "value": round(f.value, 4),
                "unit": f.unit,
                "limit": f.limit,
                "verdict": f.verdict,
            }
            for f in figures
        ],
        **document,
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")
    return path


def machine() -> dict[str, Any]:
    """How large this machine is and how busy; nothing that says whose it is."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(pages / (1 << 30)),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }
