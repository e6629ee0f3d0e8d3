"""`make faults`: puts locald through faults and counts what held.

python -m tests.faults              the short selection that `make test` takes
python -m tests.faults --all        everything
python -m tests.faults --only ROW   one row; repeatable
python -m tests.faults --jobs N     so many rows at a time
python -m tests.faults --write      and the table into docs/reliability.md
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.catalogue import ROWS
from tests.faults.lanes import Extent, run_rows
from tests.faults.table import DOCUMENT, table, write_table


def main() -> int:
    """Exit code 1 when anything did not hold."""
    options = _options()
    order = [row.key for row in ROWS]
    rows = [row for row in ROWS if not options.only or row.key in options.only]
    extent = Extent(quick=not options.all, sample=options.sample)
    base = Path(options.folder or tempfile.gettempdir()) / f"locald-faults-{secrets.token_hex(4)}"
    base.mkdir()
    started = time.monotonic()
    try:
        lines = run_rows(rows, extent, base, jobs=options.jobs)
    finally:
        base.rmdir()
    lines.sort(key=lambda line: order.index(line.key))
    print(table(lines))
    print(f"{(time.monotonic() - started) / 60:.0f} minutes")
    if options.write:
        write_table(DOCUMENT, lines, order=order)
    return 0 if all(line.held == line.cases for line in lines) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--quick", action="store_true", help="the short selection (default)")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[r.key for r in ROWS])
    parser.add_argument("--sample", type=int, metavar="N", help="N cases of a row, evenly")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="lanes; default: 2")
    parser.add_argument("--write", action="store_true", help=f"the table into {DOCUMENT.name}")
    parser.add_argument("--folder", metavar="DIR", help="where to work; default: TMPDIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
