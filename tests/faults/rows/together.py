"""Many builds at once."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row


def _cases(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    count = 6 if quick else 25
    starts = [("later", laboratory.warm)]
    starts += [] if quick else [("first", laboratory.cold)]
    return tuple(
        Case(name=f"{count} {when} builds of {what}", hold=_hold(place, count, projects))
        for when, place in starts
        for what, projects in (("one project", 1), ("as many projects", count))
    )


def _hold(template: Place, count: int, projects: int) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(template) as here, ExitStack() as stack:
            machines = [_of_project(here, n % projects) for n in range(count)]
            builds = [
                stack.enter_context(machine.start(*_flags(machine) if projects > 1 else ()))
                for machine in machines
            ]
            finished = [build.finish(seconds=900) for build in builds]
            for result in finished:
                here.check_told(result)
                check(result.code == 0, result.stderr[-2000:])
            digests = {result.digest for result in finished}
            check(digests == {laboratory.warm.digest}, f"different images: {digests}")
            here.check_nothing_runs()
            replace(here, digest=laboratory.warm.digest).check_as_good_as_new()

    return hold


def _of_project(here: Place, number: int) -> Place:
    if number == 0:
        return here
    app = here.root / f"project-{number}"
    if not app.exists():
        shutil.copytree(here.app, app)
    return replace(here, app=app)


def _flags(machine: Place) -> tuple[str, ...]:
    name = machine.app.name
    output = f"oci:{machine.root / 'outputs'}-{name}:app"
    return ("--tag", f"localhost/faults/{name}:1", "--output", output)


ROWS = (Row(key="together", title="25 builds at once", cases=_cases, alone=True),)
