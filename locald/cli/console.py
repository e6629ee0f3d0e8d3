"""The only module that writes to the terminal.

Standard output carries results, one line each. Everything else goes to standard error, in one
of three forms: plain lines, the same with colour and a live line on a terminal, or one JSON
object a line.
"""

import copy
import json
import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from lifecycle.phase import Phase
from locald.cli.safe_text import safe_document, safe_text
from oci.errors import Error
from oci.process import Stream

if TYPE_CHECKING:  # what only builds need is a third of the start of every other command
    from lifecycle.execution import PhaseLine, PhaseOutcome
    from locald.build.explain import Explanation


class Progress(StrEnum):
    """`--progress`."""

    AUTO = "auto"
    TTY = "tty"
    PLAIN = "plain"
    JSON = "json"


class Verbosity(IntEnum):
    """`-q`, nothing, `-v`."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_BOLD, _DIM, _RED, _GREEN, _CYAN, _RESET = (
    "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m",
)  # fmt: skip
_ERASE_LINE = "\r\x1b[K"
# Detection explains every buildpack's verdict; that is read only when none was found.
_MAX_HELD_LINES = 2000
_MESSAGE_END_CHARACTERS = 500


class _Screen:
    """Standard output and error, which the consoles of several services share.

    live: what is under way, by service; one line of the terminal shows all of it.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out = out
        self.err = err
        self.lock = threading.RLock()
        self.live: dict[str, str] = {}
        self.shown = False


class Console:
    """Shows what happens. Safe to call from several threads."""

    def __init__(
        self,
        *,
        progress: Progress = Progress.AUTO,
        verbosity: Verbosity = Verbosity.NORMAL,
        timestamps: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._screen = _Screen(out or sys.stdout, err or sys.stderr)
        self._verbosity = verbosity
        if progress is Progress.AUTO:
            terminal = self._screen.err.isatty() and os.environ.get("TERM") != "dumb"
            progress = Progress.TTY if terminal else Progress.PLAIN
        self._progress = progress
        self._color = progress is Progress.TTY and not os.environ.get("NO_COLOR")
        self._timestamps = timestamps
        self._service = ""
        self._held: deque[str] = deque(maxlen=_MAX_HELD_LINES)

    def for_service(self, name: str) -> "Console":
        """The same console; all that is told through it says which service it is about."""
        console = copy.copy(self)
        console._service = name
        console._held = deque(maxlen=_MAX_HELD_LINES)
        return console

    @property
    def verbose(self) -> bool:
        """Was `-v` given?"""
        return self._verbosity >= Verbosity.VERBOSE

    @property
    def color(self) -> bool:
        """May colours be shown?"""
        return self._color

    @property
    def width(self) -> int | None:
        """Columns of the terminal that results go to; None when they go elsewhere."""
        return shutil.get_terminal_size().columns if self._screen.out.isatty() else None

    def result(self, text: str) -> None:
        """A line of the result, to standard output."""
        with self._screen.lock:
            self._clear_live()
            self._write(self._screen.out, safe_text(text) + "\n")

    def document(self, text: str) -> None:
        """A whole document, to standard output."""
        with self._screen.lock:
            self._clear_live()
            self._write(self._screen.out, safe_document(text.removesuffix("\n")) + "\n")

    def program_line(self, stream: Stream, line: str) -> None:
        """A line of a program that the user asked to run, to the same output that it used."""
        with self._screen.lock:
            self._clear_live()
            target = self._screen.out if stream is Stream.STDOUT else self._screen.err
            self._write(target, safe_text(line, keep_color=target.isatty()) + "\n")

    def step(self, text: str) -> None:
        """Something begins that may take a while."""
        self._tell("step", text, style=_BOLD)
        self._show_live(text)

    def note(self, text: str) -> None:
        """Worth knowing, needs no action."""
        self._tell("note", text)

    def detail(self, text: str) -> None:
        """Shown with `-v` only."""
        if self.verbose:
            self._tell("detail", text, style=_DIM)

    def phase_started(self, phase: Phase) -> None:
        """A phase's container is about to start."""
        self._held.clear()
        if self._progress is Progress.JSON:
            self._event("phase-started", phase=str(phase))
        self._show_live(f"{phase} …")

    def phase_line(self, line: "PhaseLine") -> None:
        """A phase printed something."""
        if self._progress is Progress.JSON:
            fields = {"stream": str(line.stream), "text": safe_text(line.text)}
            self._event("line", phase=str(line.phase), internal=line.internal, **fields)
            return
        hidden = line.internal or line.phase is not Phase.BUILD
        if self._verbosity is Verbosity.QUIET or (hidden and not self.verbose):
            if not line.internal:
                self._held.append(line.text)
            return
        self._phase_text(line.phase, line.text)

    def extension_line(self, stream: Stream, text: str) -> None:
        """A Dockerfile of an image extension printed something."""
        if self._progress is Progress.JSON:
            fields = {"stream": str(stream), "text": safe_text(text)}
            self._event("line", phase="extend", internal=False, **fields)
        elif self._verbosity is Verbosity.QUIET:
            self._held.append(text)
        else:
            self._phase_text("extend", text)

    def phase_finished(self, outcome: "PhaseOutcome") -> None:
        """A phase succeeded."""
        self._held.clear()
        if self._progress is Progress.JSON:
            self._event("phase-finished", phase=str(outcome.phase), seconds=outcome.seconds)
            return
        self._show_live("")
        self._line(f"{self._paint(_GREEN, f'{outcome.phase:<8}')} {outcome.seconds:6.2f} s")

    def explained(self, explanation: "Explanation") -> None:
        """Why detection took these buildpacks, or none."""
        from locald.build.explain import explanation_document
        from locald.cli.explanation_text import explanation_lines

        if self._progress is Progress.JSON:
            self._event("detection", **explanation_document(explanation))
            return
        for line in explanation_lines(explanation):
            self._line(safe_text(line))

    def error(self, error: Error) -> None:
        """The one message of a failure: what, the tool's own words, what to do."""
        self._show_live("")
        with self._screen.lock:
            self._clear_live()
            if self._progress is Progress.JSON:
                self._event(
                    "error",
                    message=_shortened(safe_text(error.message)),
                    details=[_shortened(safe_text(line)) for line in error.details],
                    hint=safe_text(error.hint),
                    exit_code=error.exit_code,
                )
                return
            self._release_held()
            self._write(
                self._screen.err, f"{self._error_word()}: {_shortened(safe_text(error.message))}\n"
            )
            for line in error.details:
                self._write(self._screen.err, f"  {_shortened(safe_text(line))}\n")
            if error.hint:
                self._write(
                    self._screen.err, f"{self._paint(_CYAN, 'hint')}: {safe_text(error.hint)}\n"
                )

    def failure(self, text: str) -> None:
        """A last line for what is no `Error`: an interruption, a bug."""
        with self._screen.lock:
            self._clear_live()
            if self._progress is Progress.JSON:
                self._event("error", message=safe_text(text))
            else:
                self._write(self._screen.err, f"{self._error_word()}: {safe_text(text)}\n")

    def _tell(self, kind: str, text: str, *, style: str = "") -> None:
        if self._progress is Progress.JSON:
            self._event(kind, text=safe_text(text))
        else:
            self._line(self._paint(style, safe_text(text)) if style else safe_text(text))

    def _line(self, text: str) -> None:
        if self._verbosity is Verbosity.QUIET:
            return
        prefix = self._paint(_DIM, f"[{self._service}] ") if self._service else ""
        self._raw_line(prefix + text)

    def _raw_line(self, text: str) -> None:
        with self._screen.lock:
            self._clear_live()
            self._write(self._screen.err, f"{self._stamp()}{text}\n")
            self._draw_live()

    def _phase_text(self, phase: str, line: str) -> None:
        # The prefix also keeps a line from being a command to a CI system (`::set-env`, `##vso`).
        name = f"{self._service} {phase}" if self._service else phase
        prefix = self._paint(_DIM, f"[{name}]")
        if self._verbosity is not Verbosity.QUIET:
            self._raw_line(f"{prefix} {safe_text(line, keep_color=self._color)}")

    def _stamp(self) -> str:
        return self._paint(_DIM, f"{_now():%H:%M:%S} ") if self._timestamps else ""

    def _error_word(self) -> str:
        word = self._stamp() + self._paint(_RED, "error")
        return f"{word}: {self._service}" if self._service else word

    def _release_held(self) -> None:
        """What a phase said before it failed, now that it matters."""
        for line in self._held:
            self._write(self._screen.err, f"  {safe_text(line)}\n")
        self._held.clear()

    def _show_live(self, text: str) -> None:
        """What this service is at, until the next; nothing when empty."""
        with self._screen.lock:
            self._clear_live()
            self._screen.live.pop(self._service, None)
            if text:
                self._screen.live[self._service] = text
            self._draw_live()

    def _draw_live(self) -> None:
        live = self._screen.live
        if self._progress is not Progress.TTY or self._verbosity is Verbosity.QUIET or not live:
            return
        parts = [f"{name}: {text}" if name else text for name, text in sorted(live.items())]
        text = safe_text(" · ".join(parts))[:100]
        self._write(self._screen.err, f"{_ERASE_LINE}{self._paint(_DIM, text)}")
        self._screen.shown = True

    def _clear_live(self) -> None:
        """Take the live line off the screen; it is drawn again after what is written now."""
        if self._screen.shown:
            self._screen.shown = False
            self._write(self._screen.err, _ERASE_LINE)

    def finished(self) -> None:
        """Nothing of this service is under way any more."""
        self._show_live("")

    def _event(self, kind: str, **fields: Any) -> None:
        if self._verbosity is Verbosity.QUIET and kind != "error":
            return
        service = {"service": self._service} if self._service else {}
        stamp = {"time": _now().isoformat()} if self._timestamps else {}
        document: Mapping[str, Any] = {"event": kind, **stamp, **service, **fields}
        with self._screen.lock:
            self._write(self._screen.err, safe_document(json.dumps(document)) + "\n")

    def _paint(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._color else text

    @staticmethod
    def _write(target: TextIO, text: str) -> None:
        target.write(text)
        target.flush()


def _shortened(message: str) -> str:
    """A stranger's key or name in a message may have any length; its two ends tell the rest."""
    if len(message) <= 2 * _MESSAGE_END_CHARACTERS:
        return message
    return f"{message[:_MESSAGE_END_CHARACTERS]} … {message[-_MESSAGE_END_CHARACTERS:]}"


def _now() -> datetime:
    """Local time with its offset, to the second."""
    return datetime.now().astimezone().replace(microsecond=0)
