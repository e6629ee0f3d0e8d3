"""What people, scripts and CI logs are shown, in each form."""

import io
import json
from collections.abc import Callable

import pytest

from lifecycle.execution import PhaseLine, PhaseOutcome
from lifecycle.phase import Phase
from locald.cli.console import Console, Progress, Verbosity
from oci.errors import Error, ImageError
from oci.process import Stream

ERROR = ImageError("it failed", details=["one", "\x1b[2Jtwo"], hint="try again")


class Terminal(io.StringIO):
    """Text output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Screen:
    """A console whose outputs can be read."""

    def __init__(
        self,
        progress: Progress = Progress.PLAIN,
        verbosity: Verbosity = Verbosity.NORMAL,
        *,
        terminal: bool = False,
    ) -> None:
        kind = Terminal if terminal else io.StringIO
        self._out, self._err = kind(), kind()
        self.console = Console(progress=progress, verbosity=verbosity, out=self._out, err=self._err)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.err.splitlines()]


def line(text: str, phase: Phase = Phase.BUILD, *, internal: bool = False) -> PhaseLine:
    return PhaseLine(phase=phase, stream=Stream.STDOUT, text=text, internal=internal)


def play(console: Console) -> None:
    """A short build."""
    console.step("Fetching the builder")
    console.detail("runtime runc: it works")
    for phase in (Phase.DETECT, Phase.BUILD):
        console.phase_started(phase)
        console.phase_line(line("says something", phase))
        console.phase_line(line("internal words", phase, internal=True))
        console.phase_finished(PhaseOutcome(phase=phase, seconds=1.25))
    console.note("Built shop")
    console.result("localhost/shop@sha256:ab")


def test_plain_lines() -> None:
    screen = Screen()
    play(screen.console)
    assert screen.out == "localhost/shop@sha256:ab\n"
    assert screen.err == (
        "Fetching the builder\n"
        "detect     1.25 s\n"
        "[build] says something\n"
        "build      1.25 s\n"
        "Built shop\n"
    )


def test_verbose_lines_hold_everything() -> None:
    screen = Screen(verbosity=Verbosity.VERBOSE)
    play(screen.console)
    assert screen.err == (
        "Fetching the builder\n"
        "runtime runc: it works\n"
        "[detect] says something\n"
        "[detect] internal words\n"
        "detect     1.25 s\n"
        "[build] says something\n"
        "[build] internal words\n"
        "build      1.25 s\n"
        "Built shop\n"
    )
    assert screen.out == "localhost/shop@sha256:ab\n"


@pytest.mark.parametrize("progress", [Progress.PLAIN, Progress.TTY, Progress.JSON])
def test_quiet_shows_the_result_only(progress: Progress) -> None:
    screen = Screen(progress, Verbosity.QUIET)
    play(screen.console)
    assert screen.err == ""
    assert screen.out == "localhost/shop@sha256:ab\n"


def test_json_is_one_object_a_line() -> None:
    screen = Screen(Progress.JSON)
    play(screen.console)
    assert [event["event"] for event in screen.events] == [
        "step", "phase-started", "line", "line", "phase-finished",
        "phase-started", "line", "line", "phase-finished", "note",
    ]  # fmt: skip
    assert screen.events[2] == {
        "event": "line",
        "phase": "detect",
        "internal": False,
        "stream": "stdout",
        "text": "says something",
    }
    assert screen.events[4] == {"event": "phase-finished", "phase": "detect", "seconds": 1.25}
    assert screen.out == "localhost/shop@sha256:ab\n"


def test_an_error_is_message_details_and_hint() -> None:
    screen = Screen()
    screen.console.error(ERROR)
    assert screen.err == "error: it failed\n  one\n  two\nhint: try again\n"


def test_an_error_without_details_or_hint_is_one_line() -> None:
    screen = Screen()
    screen.console.error(ImageError("it failed"))
    assert screen.err == "error: it failed\n"


@pytest.mark.parametrize("verbosity", Verbosity)
def test_an_error_in_json_is_an_event_whatever_the_verbosity(verbosity: Verbosity) -> None:
    screen = Screen(Progress.JSON, verbosity)
    screen.console.error(ERROR)
    assert screen.events == [
        {
            "event": "error",
            "message": "it failed",
            "details": ["one", "two"],
            "hint": "try again",
            "exit_code": 4,
        }
    ]


def test_what_a_quiet_phase_said_is_shown_when_it_fails() -> None:
    screen = Screen()
    screen.console.phase_started(Phase.ANALYZE)
    screen.console.phase_line(line("of an earlier phase", Phase.ANALYZE))
    screen.console.phase_finished(PhaseOutcome(phase=Phase.ANALYZE, seconds=0))
    screen.console.phase_started(Phase.DETECT)
    screen.console.phase_line(line("fail: acme/node@1", Phase.DETECT))
    screen.console.error(ERROR)
    assert "of an earlier phase" not in screen.err
    assert screen.err.index("  fail: acme/node@1\n") < screen.err.index("error: it failed")
    screen.console.error(ERROR)
    assert screen.err.count("fail: acme/node@1") == 1


def test_a_quiet_build_s_output_is_shown_when_it_fails() -> None:
    screen = Screen(verbosity=Verbosity.QUIET)
    screen.console.phase_started(Phase.BUILD)
    screen.console.phase_line(line("no such module"))
    screen.console.error(ERROR)
    assert screen.err.startswith("  no such module\nerror: it failed\n")


FOREIGN = "\x1b]52;c;AAAA\x07\r\x1b[2J::set-env name=A::1\x9b"


@pytest.mark.parametrize("progress", [Progress.PLAIN, Progress.TTY, Progress.JSON])
@pytest.mark.parametrize(
    "tell",
    [
        lambda c: c.result(FOREIGN),
        lambda c: c.step(FOREIGN),
        lambda c: c.note(FOREIGN),
        lambda c: c.detail(FOREIGN),
        lambda c: c.phase_line(line(FOREIGN)),
        lambda c: c.phase_line(line(FOREIGN, Phase.DETECT)),
        lambda c: c.failure(FOREIGN),
        lambda c: c.error(ImageError(FOREIGN, details=[FOREIGN], hint=FOREIGN)),
        lambda c: c.program_line(Stream.STDOUT, FOREIGN),
        lambda c: c.program_line(Stream.STDERR, FOREIGN),
    ],
)
def test_foreign_text_is_made_safe_wherever_it_comes_in(
    progress: Progress, tell: Callable[[Console], None]
) -> None:
    screen = Screen(progress, Verbosity.VERBOSE)
    tell(screen.console)
    text = screen.out + screen.err
    assert "set-env" in text
    assert "52;c" not in text
    assert "[2J" not in text
    assert "\x9b" not in text
    assert "\\u001b" not in text
    assert not [row for row in text.split("\n") if row.lstrip().startswith("::")]


def test_a_held_line_is_no_command_to_a_ci_system() -> None:
    screen = Screen()
    screen.console.phase_line(line("::add-path::/evil", Phase.DETECT))
    screen.console.error(ERROR)
    assert not [row for row in screen.err.split("\n") if row.lstrip().startswith("::")]


def test_a_program_s_lines_go_where_it_wrote_them() -> None:
    screen = Screen(verbosity=Verbosity.QUIET)
    screen.console.program_line(Stream.STDOUT, "out")
    screen.console.program_line(Stream.STDERR, "err")
    assert (screen.out, screen.err) == ("out\n", "err\n")


@pytest.mark.parametrize("text", ["a: 1", "a: 1\n"])
def test_a_document_is_handed_on_as_it_is(text: str) -> None:
    screen = Screen()
    screen.console.document(text)
    assert screen.out == "a: 1\n"


def test_colours_and_the_live_line_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(Progress.AUTO, terminal=True)
    assert screen.console.color
    screen.console.step("Fetching")
    screen.console.phase_line(line("\x1b[32mgreen"))
    assert screen.err.startswith("\x1b[1mFetching\x1b[0m\n\r\x1b[K")
    assert "\x1b[32mgreen\x1b[0m\n" in screen.err


@pytest.mark.parametrize(
    "show",
    [
        lambda c: c.result("x"),
        lambda c: c.document("x"),
        lambda c: c.program_line(Stream.STDOUT, "x"),
        lambda c: c.error(ImageError("x")),
        lambda c: c.failure("x"),
    ],
)
def test_the_live_line_makes_way_for_what_stays(show: Callable[[Console], None]) -> None:
    screen = Screen(Progress.TTY)
    screen.console.phase_started(Phase.BUILD)
    before = len(screen.err)
    show(screen.console)
    assert screen.err[before:].startswith("\r\x1b[K")
    assert not screen.err.endswith("build …\x1b[0m")


@pytest.mark.parametrize(
    ("variable", "value", "terminal"),
    [("TERM", "dumb", True), ("NO_COLOR", "1", True), ("TERM", "xterm", False)],
)
def test_no_colour_where_none_is_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, terminal: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    assert not Screen(Progress.AUTO, terminal=terminal).console.color


def test_what_an_extension_s_dockerfile_prints() -> None:
    for progress in (Progress.PLAIN, Progress.JSON):
        screen = Screen(progress)
        screen.console.extension_line(Stream.STDOUT, "made\x1b[2J it")
        if progress is Progress.PLAIN:
            assert screen.err.startswith("[extend] made")
            assert "\x1b" not in screen.err
        else:
            (event,) = screen.events
            assert (event["phase"], event["stream"]) == ("extend", "stdout")
            assert event["internal"] is False
    quiet = Screen(verbosity=Verbosity.QUIET)
    quiet.console.extension_line(Stream.STDERR, "made it")
    held = quiet.err
    quiet.console.error(Error("no"))
    assert (held, quiet.err) == ("", "  made it\nerror: no\n")


def test_a_strangers_long_name_does_not_fill_the_screen() -> None:
    err = io.StringIO()
    Console(progress=Progress.PLAIN, out=io.StringIO(), err=err).error(
        Error(f"locald.toml: {'k' * 1_000_000}: unknown key")
    )
    assert err.getvalue().startswith("error: locald.toml: kkk")
    assert err.getvalue().endswith("k: unknown key\n")
    assert len(err.getvalue()) < 1100


def test_a_document_acts_on_no_terminal() -> None:
    out = io.StringIO()
    console = Console(progress=Progress.PLAIN, out=out, err=io.StringIO())
    console.document("description: \x1b]52;c;AAAA\x07\u202e\n  ##vso[x]\n")
    assert out.getvalue() == "description: \\u001b]52;c;AAAA\\u0007\\u202e\n  #\\u0023vso[x]\n"
