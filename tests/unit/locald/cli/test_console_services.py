"""Several services on one console, told apart in every form."""

import io
import json
import re

from lifecycle.execution import PhaseLine, PhaseOutcome
from lifecycle.phase import Phase
from locald.cli.console import Console, Progress
from oci.errors import ImageError
from oci.process import Stream


def play(console: Console) -> None:
    web, api = console.for_service("web"), console.for_service("api")
    web.step("Fetching the builder")
    web.phase_started(Phase.BUILD)
    api.phase_started(Phase.DETECT)
    api.phase_line(PhaseLine(phase=Phase.DETECT, stream=Stream.STDOUT, text="no such thing"))
    web.phase_line(PhaseLine(phase=Phase.BUILD, stream=Stream.STDOUT, text="::set-env x"))
    web.phase_finished(PhaseOutcome(phase=Phase.BUILD, seconds=1.25))
    api.error(ImageError("no group fits"))
    web.finished()
    console.note("1 of 2 services failed")


def test_plain_lines_say_whose_they_are() -> None:
    err = io.StringIO()
    play(Console(progress=Progress.PLAIN, out=io.StringIO(), err=err))
    assert err.getvalue() == (
        "[web] Fetching the builder\n"
        "[web build] ::set-env x\n"
        "[web] build      1.25 s\n"
        "  no such thing\n"
        "error: api: no group fits\n"
        "1 of 2 services failed\n"
    )


def test_one_live_line_shows_what_each_is_at() -> None:
    err = io.StringIO()
    console = Console(progress=Progress.TTY, out=io.StringIO(), err=err)
    web, api = console.for_service("web"), console.for_service("api")
    web.phase_started(Phase.BUILD)
    api.phase_started(Phase.DETECT)
    assert "api: detect … · web: build …" in err.getvalue()
    before = len(err.getvalue())
    api.note("careful")
    assert "api: detect … · web: build …" in err.getvalue()[before:]
    api.finished()
    web.finished()
    assert err.getvalue().endswith("\r\x1b[K")


def test_events_carry_the_service() -> None:
    err = io.StringIO()
    play(Console(progress=Progress.JSON, out=io.StringIO(), err=err))
    events = [json.loads(line) for line in err.getvalue().splitlines()]
    assert [event.get("service", "") for event in events] == [
        "web", "web", "api", "api", "web", "web", "api", "",
    ]  # fmt: skip


def test_timestamps_begin_each_line() -> None:
    err = io.StringIO()
    play(Console(progress=Progress.PLAIN, timestamps=True, out=io.StringIO(), err=err))
    told = [line for line in err.getvalue().splitlines() if not line.startswith("  ")]
    assert told
    assert all(re.match(r"\d\d:\d\d:\d\d \S", line) for line in told)
