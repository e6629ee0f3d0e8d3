"""Signals of people and terminals, and outputs that nobody reads any more."""

import os
import signal
import subprocess
import time
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import check
from tests.faults.row import Case, Row

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds after the start: while it looks images up, makes containers, builds, delivers.
_MOMENTS = (0.3, 0.7, 1.2, 1.7)


def _cases(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = [
        Case(name=f"{number.name} {times}x after {moment} s", hold=_sent(number, times, moment))
        for number in _SIGNALS
        for times in ((1, 2) if number is signal.SIGINT else (1,))
        for moment in _MOMENTS
    ]
    found += [
        Case(name="SIGSTOP, then SIGCONT", hold=_stopped),
        Case(name="closed standard output", hold=_closed("stdout")),
        Case(name="closed standard error", hold=_closed("stderr")),
        Case(name="full standard output", hold=_full),
    ]
    return (found[4], found[-3]) if quick else tuple(found)


def _sent(number: signal.Signals, times: int, moment: float) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            with here.start() as build:
                build.wait_for_line("{")
                time.sleep(moment)
                for _ in range(times):
                    if build.running():
                        build.send(number)
                        time.sleep(0.05)
                result = build.finish(seconds=60)
            check(result.code in (0, 128 + number), f"exit code {result.code}: {result.stderr}")
            check("Traceback" not in result.output, result.stderr)
            here.check_nothing_runs()
            left = list(here.leftovers())
            check(not left or times > 1, f"left at once: {left}")
            here.check_visible()
            here.check_as_good_as_new()

    return hold


def _stopped(laboratory: Laboratory) -> None:
    with laboratory.place(laboratory.warm) as here:
        with here.start() as build:
            build.wait_for_event("phase-started", phase="detect")
            build.send(signal.SIGSTOP)
            time.sleep(1.0)
            build.send(signal.SIGCONT)
            result = build.finish(seconds=120)
        check(result.code == 0 and result.digest == here.digest, result.output)
        here.check_as_good_as_new()


def _closed(which: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            command = here.locald()
            read, write = os.pipe()
            os.close(read)
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, which: write}
            process = subprocess.Popen(
                (*command.argv, *here.arguments()),
                env=command.environment,
                stdin=subprocess.DEVNULL,
                text=True,
                **pipes,  # type: ignore[call-overload]
            )
            os.close(write)
            out, error = process.communicate(timeout=300)
            check("Traceback" not in f"{out}{error}", f"{out}{error}")
            here.check_nothing_runs()
            here.check_visible()
            here.check_as_good_as_new()

    return hold


def _full(laboratory: Laboratory) -> None:
    with laboratory.place(laboratory.warm) as here:
        command = here.locald()
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run(
                (*command.argv, *here.arguments()),
                env=command.environment,
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        check("Traceback" not in done.stderr, done.stderr)
        check(done.returncode != 0, "a result that could not be written counts as written")
        here.check_visible()
        here.check_as_good_as_new()


ROWS = (
    Row(
        key="signals", title="Ctrl-C once and twice, SIGTERM, SIGHUP, closed outputs", cases=_cases
    ),
)
