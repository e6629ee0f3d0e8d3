"""SIGKILL: at named points, before each change that is made to the disk, at random times."""

import random
import signal
import time
from collections.abc import Mapping
from typing import Any

from lifecycle.phase import Phase
from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row
from tests.support.cli import Running

_KILLED = 128 + signal.SIGKILL
# Operations of a first build, and of a later one; `injected/sitecustomize.py` spells them so.
_OF_FIRST: tuple[tuple[str, str, float], ...] = (
    ("fetch begins", "start .*skopeo .* copy .*team/builder", 0.0),
    ("fetch", "start .*skopeo .* copy .*team/builder", 0.15),
    ("image stored", "rename .*/store/images/", 0.0),
    ("image named", r"rename .*\.new -> .*team/builder", 0.0),
    ("resolve run image", "start skopeo .* inspect .*base/run", 0.02),
    ("unpack begins", "start .*umoci unpack", 0.0),
    ("unpack", "start .*umoci unpack", 0.3),
    ("unpacked, not sealed", "open .*COMPLETE", 0.0),
    ("sealed, not in place", "rename .*/jail/bundle -> ", 0.0),
    ("cache made", r"rename .* -> .*project\.json", 0.0),
    ("application kept, not named", r"mkdir .*/refs/localhost", 0.0),
)
_OF_LATER: tuple[tuple[str, str, float], ...] = (
    ("work folder made", "open .*/ca-certificates.crt", 0.0),
    ("container made ready", "start .*mount -i -t overlay", 0.0),
    ("network made", "start .*slirp4netns", 0.02),
    ("keep begins", "mkdir .*/store/tmp/.*/image$", 0.0),
    ("layers kept, image not", r"rename .*\bwork\b.*/blobs/sha256/\w+ -> ", 0.0),
    ("image named", r"rename .*\.new -> .*faults/app", 0.0),
    ("deliver begins", "start .*skopeo .* copy .* oci:", 0.0),
    ("deliver", "start .*skopeo .* copy .* oci:", 0.03),
    ("clear", "start .* rm -rf ", 0.01),
)


def _points(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    named = [
        _case(f"{when}: {name}", place, {"match": match, "nth": 1, "delay": delay})
        for when, place, points in (
            ("first build", laboratory.cold, _OF_FIRST),
            ("later build", laboratory.warm, _OF_LATER),
        )
        for name, match, delay in points
    ]
    phases = [Case(name=f"phase {phase}", hold=_in_phase(phase)) for phase in Phase]
    if quick:
        return (named[6], named[16], named[18], phases[3])
    return (*named, *phases)


def _case(name: str, place: Place, fault: Mapping[str, Any]) -> Case:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(place) as here:
            with here.start(fault=fault) as build:
                code = build.finish(seconds=60).code
            check(code in (0, _KILLED), f"exit code {code}, and not by the kill")
            check(code == _KILLED or fault.get("delay", 0) > 0, "the point was not reached")
            _after(here)

    return Case(name=name, hold=hold)


def _in_phase(phase: Phase) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            with here.start() as build:
                build.wait_for_event("phase-started", phase=str(phase))
                time.sleep(0.03)
                _kill(build)
            _after(here)

    return hold


def _steps(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = []
    for when, place in (("first build", laboratory.cold), ("later build", laboratory.warm)):
        with laboratory.place(place) as here:
            log = here.root / "operations"
            result = here.build(fault={"log": str(log)})
            check(result.code == 0, result.output)
            count = len(log.read_text().splitlines())
        chosen = range(1, count + 1, 120 if quick else 4)
        found += [_case(f"{when}, step {n} of {count}", place, {"nth": n}) for n in chosen]
    return tuple(found)


def _random(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    dice = random.Random(5)
    count = 4 if quick else 200
    chosen = []
    for number in range(count):
        cold = number % 3 == 0
        place, most = (laboratory.cold, 6.0) if cold else (laboratory.warm, 2.0)
        seconds = dice.uniform(0.1, most)
        name = f"{'first' if cold else 'later'} build after {seconds:.3f} s"
        chosen.append(Case(name=name, hold=_at_time(place, seconds)))
    return tuple(chosen)


def _at_time(place: Place, seconds: float) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(place) as here:
            with here.start() as build:
                time.sleep(seconds)
                _kill(build)
            _after(here)

    return hold


def _kill(build: Running) -> None:
    if build.running():
        build.send(signal.SIGKILL)
    build.finish(seconds=30)


def _after(here: Place) -> None:
    here.check_nothing_runs()
    here.check_visible()
    here.check_as_good_as_new()


ROWS = (
    Row(key="kill-points", title="kill -9 at named points", cases=_points),
    Row(key="kill-steps", title="kill -9 before a change on the disk", cases=_steps),
    Row(key="kill-random", title="kill -9 at random times", cases=_random),
)
