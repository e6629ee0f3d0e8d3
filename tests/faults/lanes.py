"""Lanes: processes with a laboratory each, which take row after row."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.faults.catalogue import ROWS
from tests.faults.laboratory import Laboratory
from tests.faults.row import Case, Row
from tests.faults.table import Line, today


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much of a row is run. sample: so many cases at most, spread evenly; None is all."""

    quick: bool
    sample: int | None

    def __str__(self) -> str:
        if self.quick:
            return "--quick"
        return "--all" if self.sample is None else f"--all --sample {self.sample}"


def run_rows(rows: Sequence[Row], extent: Extent, base: Path, *, jobs: int) -> list[Line]:
    """The longest first; those that need the machine for themselves at the end, one by one."""
    shared = sorted((row for row in rows if not row.alone), key=lambda row: -row.minutes)
    alone = [row for row in rows if row.alone]
    count = max(1, min(jobs, len(shared)))
    with ThreadPoolExecutor(count) as pool, _lanes(base, extent, count) as ask:
        free = list(range(count))

        def run(row: Row) -> Line:
            lane = free.pop()  # there are as many threads as lanes
            try:
                return ask(lane, row.key)
            finally:
                free.append(lane)

        lines = list(pool.map(run, shared))
        lines += [run(row) for row in alone]
    return lines


@contextmanager
def _lanes(base: Path, extent: Extent, count: int) -> Iterator[Callable[[int, str], Line]]:
    """Started; a function that has one of them run a row. A lane ends with its connection."""
    context = multiprocessing.get_context("spawn")
    processes, connections = [], []
    try:
        for number in range(count):
            mine, its = context.Pipe()
            process = context.Process(target=_lane, args=(its, base / str(number), extent))
            process.start()
            its.close()
            processes.append(process)
            connections.append(mine)

        def ask(lane: int, key: str) -> Line:
            connections[lane].send(key)
            line = connections[lane].recv()
            assert isinstance(line, Line)
            return line

        yield ask
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def _lane(connection: Connection, base: Path, extent: Extent) -> None:
    by_key = {row.key: row for row in ROWS}
    with Laboratory.open(base) as laboratory:
        while True:
            try:
                key = connection.recv()
            except EOFError:
                return
            connection.send(_run(by_key[key], laboratory, extent))


def _run(row: Row, laboratory: Laboratory, extent: Extent) -> Line:
    started = time.monotonic()
    cases = row.cases(laboratory, extent.quick)
    if extent.sample is not None:
        cases = cases[:: max(1, -(-len(cases) // extent.sample))]
    held = sum(_holds(row, case, laboratory) for case in cases)
    seconds = time.monotonic() - started
    print(f"{row.key}: {held}/{len(cases)} in {seconds:.0f} s", flush=True)
    return Line(
        key=row.key,
        title=row.title,
        cases=len(cases),
        held=held,
        date=today(),
        how=str(extent),
    )


def _holds(row: Row, case: Case, laboratory: Laboratory) -> bool:
    try:
        case.hold(laboratory)
    except Exception as error:  # noqa: BLE001  (one case must not hide the others)
        text = f"NOT HELD {row.key}: {case.name}: {type(error).__name__}: {error}\n"
        sys.stdout.write(text)  # at once: lanes write to the same place
        sys.stdout.flush()
        return False
    return True
