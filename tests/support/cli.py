"""The `locald` executable, as people run it: a process with arguments, outputs, an exit code."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

EXECUTABLE = Path(sys.executable).with_name("locald")
# Far more than any build needs; a test that hangs must say where.
LIMIT_SECONDS = 600.0

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a finished run left. `code` is as a shell reports it."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def digest(self) -> str:
        """The digest in the last line of the result."""
        return self.stdout.splitlines()[-1].rpartition("@")[2]

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of `--progress json`; fails when a line is no JSON object."""
        return tuple(parse_event(line) for line in self.stderr.splitlines())

    @property
    def output(self) -> str:
        """Both outputs."""
        return self.stdout + self.stderr


def parse_event(line: str) -> Event:
    """One line of `--progress json`."""
    event = json.loads(line)
    assert isinstance(event, dict), line
    assert isinstance(event["event"], str), line
    return event


@dataclass(frozen=True, kw_only=True)
class Locald:
    """How to start it: with which environment, and below which other command.

    prefix: argv that comes first, such as `unshare -Urm sh -c …`.
    """

    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()
    cwd: Path | None = None

    def with_environment(self, *removed: str, **variables: str) -> Self:
        """The same with some variables changed."""
        kept = {name: value for name, value in self.environment.items() if name not in removed}
        return replace(self, environment={**kept, **variables})

    @property
    def argv(self) -> tuple[str, ...]:
        """The command without its arguments."""
        return (*self.prefix, str(EXECUTABLE))

    def start(self, *arguments: str | Path) -> "Running":
        """Start it; it is the leader of a session of its own."""
        return Running((*self.argv, *map(str, arguments)), self.environment, self.cwd)

    def run(self, *arguments: str | Path) -> Finished:
        """Run it to its end."""
        return self.start(*arguments).finish()


@dataclass
class _Lines:
    """What a process writes, line by line, read by a thread."""

    lines: list[str] = field(default_factory=list)
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, line: str) -> None:
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, wanted: Callable[[str], bool], *, seconds: float) -> str:
        """The first line that is wanted; fails when the output ends without one."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self.changed:
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                remaining = deadline - time.monotonic()
                text = "\n".join(self.lines[-40:])
                assert not self.ended, f"the output ended without the line; it was:\n{text}"
                assert remaining > 0, f"no such line within {seconds:g} s, only:\n{text}"
                self.changed.wait(remaining)


class Running:
    """A run that has not ended. A context manager: leaving it kills what still runs."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path | None
    ) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
        self._out, self._err = _Lines(), _Lines()
        pairs = ((self._process.stdout, self._out), (self._process.stderr, self._err))
        self._readers = [
            threading.Thread(target=_read, args=(pipe, lines), daemon=True) for pipe, lines in pairs
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id; also the id of its session."""
        return self._process.pid

    @property
    def stderr(self) -> str:
        """What it wrote to standard error until now."""
        return "".join(f"{line}\n" for line in self._err.lines)

    def running(self) -> bool:
        """Has it not ended yet?"""
        return self._process.poll() is None

    def wait_for_line(self, part: str, *, seconds: float = 120.0) -> str:
        """The first line on standard error that holds this."""
        return self._err.wait_for(lambda line: part in line, seconds=seconds)

    def wait_for_result(self, part: str, *, seconds: float = 120.0) -> str:
        """The first line on standard output that holds this."""
        return self._out.wait_for(lambda line: part in line, seconds=seconds)

    def wait_for_event(self, kind: str, *, seconds: float = 120.0, **fields: str) -> Event:
        """The first event of `--progress json` that has these fields."""
        wanted = {"event": kind, **fields}

        def matches(line: str) -> bool:
            event = parse_event(line)
            return wanted.items() <= event.items()

        return parse_event(self._err.wait_for(matches, seconds=seconds))

    def send(self, number: signal.Signals) -> None:
        """A signal to it alone."""
        os.kill(self.pid, number)

    def finish(self, *, seconds: float = LIMIT_SECONDS) -> Finished:
        """Await the end."""
        try:
            code = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end within {seconds:g} s:\n{self.stderr[-4000:]}") from None
        except BaseException:  # Ctrl-C of the tests
            self.kill()
            raise
        finally:
            for reader in self._readers:
                reader.join(timeout=10.0)
        return Finished(
            code=code if code >= 0 else 128 - code,
            stdout="".join(f"{line}\n" for line in self._out.lines),
            stderr=self.stderr,
            seconds=time.monotonic() - self._started,
        )

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.running():
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _read(pipe: Any, lines: _Lines) -> None:
    for line in pipe:
        lines.add(line.removesuffix("\n"))
    lines.end()
    pipe.close()
