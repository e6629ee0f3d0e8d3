"""`make faults`: puts locald through faults and counts what held.

python -m tests.faults              the short selection that `make test` takes
python -m tests.faults --all        everything
python -m tests.faults --only ROW   one row; repeatable
python -m tests.faults --write      and the table into docs/reliability.md
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.catalogue import ROWS
from tests.faults.laboratory import Laboratory
from tests.faults.row import Case, Row
from tests.faults.table import DOCUMENT, Line, table, today, write_table


def main() -> int:
    """Exit code 1 when anything did not hold."""
    options = _options()
    rows = [row for row in ROWS if not options.only or row.key in options.only]
    base = Path(options.folder or tempfile.gettempdir()) / f"locald-faults-{secrets.token_hex(4)}"
    lines = []
    with Laboratory.open(base) as laboratory:
        for row in rows:
            lines.append(_run(row, laboratory, quick=not options.all, sample=options.sample))
    print(table(lines))
    if options.write:
        write_table(DOCUMENT, lines, order=[row.key for row in ROWS])
    return 0 if all(line.held == line.cases for line in lines) else 1


def _run(row: Row, laboratory: Laboratory, *, quick: bool, sample: int | None) -> Line:
    started = time.monotonic()
    cases = row.cases(laboratory, quick)
    if sample is not None:
        cases = cases[:: max(1, -(-len(cases) // sample))]
    held = sum(_holds(row, case, laboratory) for case in cases)
    seconds = time.monotonic() - started
    print(f"{row.key}: {held}/{len(cases)} in {seconds:.0f} s", flush=True)
    how = "--quick" if quick else "--all" if sample is None else f"--all --sample {sample}"
    return Line(key=row.key, title=row.title, cases=len(cases), held=held, date=today(), how=how)


def _holds(row: Row, case: Case, laboratory: Laboratory) -> bool:
    try:
        case.hold(laboratory)
    except Exception as error:  # noqa: BLE001  (one case must not hide the others)
        print(f"NOT HELD {row.key}: {case.name}: {type(error).__name__}: {error}", flush=True)
        return False
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--quick", action="store_true", help="the short selection (default)")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[r.key for r in ROWS])
    parser.add_argument("--sample", type=int, metavar="N", help="N cases of a row, evenly")
    parser.add_argument("--write", action="store_true", help=f"the table into {DOCUMENT.name}")
    parser.add_argument("--folder", metavar="DIR", help="where to work; default: TMPDIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
