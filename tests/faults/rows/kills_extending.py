"""SIGKILL while image extensions change the run image and the build image."""

import re
import signal
from pathlib import Path
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row
from tests.support.tiny_builder import make_extension

_KILLED = 128 + signal.SIGKILL
_COUNT = 16
_GENERATE = """\
cat >"$CNB_OUTPUT_DIR/run.Dockerfile" <<'END'
ARG base_image
FROM ${base_image}
USER root
RUN echo from the extension >/etc/made
ARG user_id
ARG group_id
USER ${user_id}:${group_id}
END
"""
_IN_TOOL = {"match": "start .*(buildah|skopeo) ", "delay": 0.05}
# From the first file of an extended image to the last that the images' names hang on.
_BEGINS, _ENDS = r"/extension/", r"rename .*/refs/localhost/locald/extended-"


def _cases(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    """Evenly over the changes on the disk that extending makes, and in the middle of `RUN`."""
    if quick:
        return (Case(name="in its first tool", hold=_hold({**_IN_TOOL, "nth": 1})),)
    with laboratory.place(laboratory.warm) as here:
        steps = here.operations(*_flags(here))
    first = next(n for n, step in enumerate(steps) if re.search(_BEGINS, step))
    last = max(n for n, step in enumerate(steps) if re.search(_ENDS, step))
    count = last - first + 1
    found = [
        Case(name=f"step {k * count // _COUNT} of {count}", hold=_hold({"nth": number + 1}))
        for k in range(_COUNT)
        for number in (first + k * count // _COUNT,)
    ]
    found += [
        Case(name=f"in its tool {nth}", hold=_hold({**_IN_TOOL, "nth": nth}))
        for nth in (1, 2, 3, 4)
    ]
    return tuple(found)


def _flags(here: Place) -> tuple[str, str]:
    folder: Path = here.root / "extension"
    make_extension(folder, id="faults/extension", generate=_GENERATE)
    return ("--extension", str(folder))


def _hold(fault: dict[str, Any]) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            flags = _flags(here)
            with here.start(*flags, fault=fault) as build:
                code = build.finish(seconds=300).code
            check(code == _KILLED, f"exit code {code}, and not by the kill")
            here.check_nothing_runs()
            here.check_visible()
            result = here.build(*flags)
            check(result.code == 0, f"the next build fails: {result.output[-3000:]}")
            check(result.digest != here.digest, "the extension is not in the image")
            # Without the extension it is the image that it always was.
            here.check_as_good_as_new()

    return hold


ROWS = (
    Row(
        key="kill-extend",
        title="kill -9 while image extensions are applied",
        cases=_cases,
        minutes=4,
    ),
)
