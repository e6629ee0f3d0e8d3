"""Every child process of locald starts here.

A command is a list, never a shell line. Children get an environment rebuilt from a short
allow-list, a null standard input, and a process group of their own, so that Ctrl-C reaches
them through us, once, in order.
"""

import atexit
import logging
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from oci.cancellation import Cancellation, check_cancelled, current_cancellations
from oci.errors import BusyError, CommandError, HostError
from oci.host_tools import base_environment, cannot_start
from oci.host_tools import find_tool as find_tool
from oci.host_tools import missing_tool as missing_tool
from oci.output_lines import STDERR_TAIL_LINES, OutputCollector
from oci.output_lines import LineSink as LineSink
from oci.output_lines import Stream as Stream

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 10.0
_WATCH_SECONDS = 0.25

# Those that run. When we end while a thread still awaits one, it must not outlive us.
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run. `env` is added to the allow-listed environment of this process.

    stop_grace_seconds: between SIGTERM and SIGKILL when we are interrupted; 0 kills at once.
    dies_with_us: the kernel kills it when the thread that started it ends, even by SIGKILL. For
        long work outside of any namespace of ours, which has a lifeline.
    watch: called at least every quarter of a second meanwhile; what it raises stops the command.
    umask: of the command, and so of what runs in a container that it starts; -1 is the user's.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stdin: bytes | None = None
    timeout_seconds: float | None = None
    pass_fds: tuple[int, ...] = ()
    stop_grace_seconds: float = STOP_GRACE_SECONDS
    dies_with_us: bool = False
    watch: Callable[[], None] | None = None
    umask: int = -1

    def __str__(self) -> str:
        """The command as a person could paste it."""
        return shlex.join(self.argv)


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What a finished command left. `stdout` is empty when its lines went to a sink."""

    command: Command
    exit_code: int
    stdout: bytes
    stderr_tail: tuple[str, ...]
    seconds: float

    @property
    def text(self) -> str:
        """Standard output as text, undecodable bytes replaced."""
        return self.stdout.decode(errors="replace")


class CommandRunner:
    """Runs commands to their end, or starts those that live beside us."""

    def run(
        self, command: Command, *, on_line: LineSink | None = None, check: bool = True
    ) -> CommandResult:
        """Run to the end.

        on_line: receives each line of both outputs as it comes; without it standard output is
            kept whole in the result.
        check: a non-zero exit raises CommandError with the tail of the child's own words.
        """
        return self.begin(command).finish(on_line=on_line, check=check)

    def begin(self, command: Command) -> "StartedCommand":
        """Start a command now whose output and end are awaited later."""
        return StartedCommand(command)

    def start(self, command: Command) -> "RunningCommand":
        """Start a command that lives until it is stopped or its lifeline is closed."""
        return RunningCommand(command)


class StartedCommand:
    """A command between its start and its end. Call `finish` or `abandon`, once."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._started = time.monotonic()
        self._process = _popen(command)

    def finish(
        self,
        *,
        on_line: LineSink | None = None,
        check: bool = True,
        ask_to_stop: Callable[[], None] | None = None,
    ) -> CommandResult:
        """Await the end; the parameters are those of `CommandRunner.run`.

        ask_to_stop: called in the place of SIGTERM when we are interrupted.
        """
        command, process = self.command, self._process
        collector = OutputCollector(on_line)
        try:
            _pump(process, command, collector, self._started)
        except BaseException:
            _stop(process, collector, command.stop_grace_seconds, ask_to_stop)
            raise
        finally:
            _close_pipes(process)
        result = CommandResult(
            command=command,
            exit_code=process.returncode,
            stdout=collector.stdout,
            stderr_tail=tuple(collector.stderr_tail),
            seconds=time.monotonic() - self._started,
        )
        log.debug("exit %d after %.3f s: %s", result.exit_code, result.seconds, command)
        if check and result.exit_code != 0:
            raise CommandError(
                f"`{Path(command.argv[0]).name}` failed {_exit_words(result.exit_code)}",
                command_exit_code=result.exit_code,
                details=result.stderr_tail,
                hint=f"the command was: {command}",
            )
        return result

    @property
    def pid(self) -> int:
        """Its process id in our PID namespace."""
        return self._process.pid

    def running(self) -> bool:
        """Has it not ended yet?"""
        return self._process.poll() is None

    def abandon(self) -> None:
        """Kill it; nobody wants its output."""
        _stop(self._process, OutputCollector(None), 0.0)
        _close_pipes(self._process)


class RunningCommand:
    """A child that runs beside us: a namespace holder, a network helper.

    Its standard input is the *lifeline*: a pipe whose other end only this process holds. When
    this process ends in whatever way, SIGKILL included, the child reads end-of-file.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process = _popen(command, lifeline=True)
        self._tail: deque[str] = deque(maxlen=STDERR_TAIL_LINES)
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        """The child's process id in our PID namespace."""
        return self._process.pid

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines that the child wrote to standard error."""
        return tuple(self._tail)

    def read_line(self) -> str:
        """The next line of standard output, without its end; empty when the child has ended."""
        stdout = self._process.stdout
        if stdout is None:
            return ""
        return stdout.readline().decode(errors="replace").rstrip("\n")

    def running(self) -> bool:
        """Has the child not ended yet?"""
        return self._process.poll() is None

    def close(self) -> None:
        """Close the lifeline, then stop the child if that was not enough."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            _stop(self._process, None, self.command.stop_grace_seconds)
        self._drain.join(timeout=1.0)
        if self._drain.is_alive() and self._process.stderr is not None:
            # A stranger to the child's group still holds the pipe; closing our end would wait
            # for the thread that reads it.
            log.debug("%d left a process behind that holds its output", self._process.pid)
            self._process.stderr = None
        _close_pipes(self._process)

    def abandon(self) -> None:
        """Kill it before it sees the end of its lifeline."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_stderr(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            return
        try:
            for line in stderr:
                self._tail.append(line.decode(errors="replace").rstrip("\n"))
        except ValueError:  # closed under us by close()
            return


def _popen(command: Command, *, lifeline: bool = False) -> subprocess.Popen[bytes]:
    log.debug("+ %s", command)
    piped_stdin = lifeline or command.stdin is not None
    try:
        process = subprocess.Popen(
            _with_parent_death_signal(command),
            stdin=subprocess.PIPE if piped_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**base_environment(), **command.env},
            cwd=command.cwd,
            process_group=0,
            pass_fds=command.pass_fds,
            umask=command.umask,
        )
    except FileNotFoundError as error:
        if command.cwd is not None and not command.cwd.is_dir():
            raise HostError(f"no such folder: {command.cwd}") from error
        raise missing_tool(command.argv[0]) from error
    except PermissionError as error:
        # A folder of PATH that may not be searched says the same of every missing tool.
        tool = command.argv[0]
        if os.sep not in tool and find_tool(tool) is None:
            raise missing_tool(tool) from error
        raise HostError(f"`{tool}` may not be executed: {error.strerror}") from error
    except OSError as error:
        raise cannot_start(command.argv[0], error) from error
    _running.add(process)
    return process


def _with_parent_death_signal(command: Command) -> tuple[str, ...]:
    # Where util-linux's setpriv is missing, the child at worst ends its work alone.
    wanted = command.dies_with_us and find_tool(command.argv[0]) and find_tool("setpriv")
    return ("setpriv", "--pdeathsig", "KILL", "--", *command.argv) if wanted else command.argv


@atexit.register
def _kill_what_still_runs() -> None:
    for process in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _pump(
    process: subprocess.Popen[bytes], command: Command, collector: OutputCollector, started: float
) -> None:
    if process.stdin is not None and command.stdin is not None:
        _feed_stdin(process.stdin, command.stdin)
    deadline = None if command.timeout_seconds is None else started + command.timeout_seconds
    if _read_to_end(process, collector, deadline, command.watch, cancellable=True):
        with suppress(subprocess.TimeoutExpired):
            # A child may close its outputs long before it ends.
            process.wait(timeout=_remaining(deadline))
            return
    raise BusyError(
        f"`{Path(command.argv[0]).name}` did not finish within {command.timeout_seconds:g} s"
    )


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _read_to_end(
    process: subprocess.Popen[bytes],
    collector: OutputCollector,
    deadline: float | None,
    watch: Callable[[], None] | None = None,
    *,
    cancellable: bool = False,
) -> bool:
    """Read until every holder of the pipes has closed them; False when time ran out first."""
    cancellations = current_cancellations() if cancellable else ()
    with selectors.DefaultSelector() as selector:
        for stream, pipe in ((Stream.STDOUT, process.stdout), (Stream.STDERR, process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, stream)
        for cancellation in cancellations:
            selector.register(cancellation.fd, selectors.EVENT_READ, cancellation)
        while len(selector.get_map()) > len(cancellations):
            remaining = _remaining(deadline)
            if remaining == 0:
                return False
            if watch is not None:
                watch()
            # Never for long: the kernel may hand a signal to another thread, and Python's
            # handler runs in the main one, when that next does anything.
            remaining = min(_WATCH_SECONDS, remaining or _WATCH_SECONDS)
            for key, _ in selector.select(remaining):
                if isinstance(key.data, Cancellation):
                    check_cancelled()
                    continue
                data = os.read(key.fd, 1 << 16)
                if data:
                    collector.feed(Stream(key.data), data)
                else:
                    selector.unregister(key.fileobj)
    collector.finish()
    return True


def _feed_stdin(pipe: IO[bytes], data: bytes) -> None:
    # Inputs are small (a few hundred bytes), less than a pipe holds, so this cannot block.
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        log.debug("the child closed its standard input early")


def _stop(
    process: subprocess.Popen[bytes],
    collector: OutputCollector | None,
    grace_seconds: float,
    ask: Callable[[], None] | None = None,
) -> None:
    """SIGTERM to the child's group, then SIGKILL to what is left after the grace time.

    What the child says while it ends is still read, so that it cannot hang on a full pipe. An
    exception meanwhile, such as a second Ctrl-C, cuts the grace time short.
    """
    try:
        if grace_seconds > 0:
            if ask is None:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                ask()
            deadline = time.monotonic() + grace_seconds
            if collector is not None:
                _read_to_end(process, collector, deadline)
            process.wait(timeout=_remaining(deadline))
    except (ProcessLookupError, subprocess.TimeoutExpired):
        log.debug("%d is gone already, or did not end in time", process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        _running.discard(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                log.debug("a pipe of %d broke while it was closed", process.pid)


def _exit_words(exit_code: int) -> str:
    if exit_code >= 0:
        return f"(exit code {exit_code})"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # most real-time signals have no name
        name = f"signal {-exit_code}"
    return f"(killed by {name})"
