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

# Of some nine hundred changes on the disk.
_EVERY = 10
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
    ("a layer is not kept yet", r"rename .*\bwork\b.*/blobs/sha256/\w+ -> ", 0.0),
    ("application kept, not named", r"mkdir .*/refs/localhost", 0.0),
)
_OF_LATER: tuple[tuple[str, str, float], ...] = (
    ("work folder made", "open .*/ca-certificates.crt", 0.0),
    ("container made ready", "start .*mount -i -t overlay", 0.0),
    ("network made", "start .*slirp4netns", 0.02),
    ("keep begins", "mkdir .*/store/tmp/.*/image$", 0.0),
    ("image named", r"rename .*\.new -> .*faults/app", 0.0),
    ("deliver begins", r"open .*/outputs/\S*partial", 0.0),
    ("delivered, not in the index", r"rename .*\.partial -> .*/outputs/index\.json", 0.0),
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
                code = build.finish(seconds=120).code
            if code == 0 and fault.get("delay"):  # it was over sooner than that
                return _case(name, place, {**fault, "delay": fault["delay"] / 2}).hold(laboratory)
            check(code == _KILLED, f"exit code {code}: the point was not reached")
            return _after(here)

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


def _places(laboratory: Laboratory) -> tuple[Place, Place]:
    return laboratory.cold, laboratory.warm


def _steps(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = []
    for when, place in zip(("first build", "later build"), _places(laboratory), strict=True):
        with laboratory.place(place) as here:
            count = len(here.operations())
        chosen = range(1, count + 1, 120 if quick else _EVERY)
        found += [_case(f"{when}, step {n} of {count}", place, {"nth": n}) for n in chosen]
    return tuple(found)


def _random(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    dice = random.Random(5)
    count = 4 if quick else 200
    lasting: dict[str, float] = {}
    chosen = []
    for number in range(count):
        when = "first" if number % 5 == 4 else "later"
        place = laboratory.cold if when == "first" else laboratory.warm
        if when not in lasting:
            lasting[when] = _duration(laboratory, place)
        share = dice.uniform(0.02, 1.0)
        name = f"{when} build after {share:.0%} of its time"
        chosen.append(Case(name=name, hold=_at_time(place, share * lasting[when])))
    return tuple(chosen)


def _duration(laboratory: Laboratory, place: Place) -> float:
    with laboratory.place(place) as here:
        return here.build().seconds


def _at_time(place: Place, seconds: float) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(place) as here:
            with here.start() as build:
                time.sleep(seconds)
                code = _kill(build)
            if code == 0:  # it was over sooner than that
                _at_time(place, seconds * 0.9)(laboratory)
                return
            check(code == _KILLED, f"exit code {code}, and not by the kill")
            _after(here)

    return hold


def _kill(build: Running) -> int:
    if build.running():
        build.send(signal.SIGKILL)
    return build.finish(seconds=30).code


def _after(here: Place) -> None:
    here.check_nothing_runs()
    here.check_visible()
    here.check_as_good_as_new()


ROWS = (
    Row(key="kill-points", title="kill -9 at named points", cases=_points),
    Row(
        key="kill-steps",
        title="kill -9 before every 10th change on the disk",
        cases=_steps,
        minutes=7,
    ),
    Row(key="kill-random", title="kill -9 at random times", cases=_random, minutes=9),
)
