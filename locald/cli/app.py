"""The command line. `main` is the only place that turns an error into text and an exit code."""

import importlib
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

import typer

from locald import __version__
from locald.cli.console import Console
from locald.cli.state import State
from oci.errors import DISK_FULL_HINT, Error, Interrupted, StorageError
from oci.space import is_full

# Name → the module whose `register` adds it, in the order of the help. Only the command that
# is asked for is imported, which keeps the start short.
_COMMANDS = {
    "build": "locald.cli.build",
    "builder": "locald.cli.builder",
    "run": "locald.cli.run",
    "inspect": "locald.cli.inspect",
    "cache": "locald.cli.cache",
    "images": "locald.cli.images",
    "verify-store": "locald.cli.verify_store",
    "config": "locald.cli.config",
    "ci": "locald.cli.ci",
    "doctor": "locald.cli.doctor",
}

app = typer.Typer(
    name="locald",
    help="Turn source code into OCI images with Cloud Native Buildpacks: "
    "no daemon, no root, no socket.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
) -> None:
    """The options before a command."""
    if version:
        State.current().console.result(f"locald {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code (the table is in docs/cli.md)."""
    # With a umask that takes the owner's own bits away nothing that is made could be used.
    os.umask(os.umask(0o077) & ~0o700)
    try:
        state = State.start()
    except Error as error:  # no place for any folder of ours
        _tell(Console(), error)
        return error.exit_code
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, _interrupt)
        _register(arguments)
        code = app(list(arguments), standalone_mode=False)
    except Error as error:
        _tell(state.console, error)
        return error.exit_code
    except typer.Exit as leave:
        return leave.exit_code
    except typer.Abort:
        return 130
    except Interrupted as interrupted:
        name = signal.Signals(interrupted.signal_number).name
        _say_quietly(state.console, f"interrupted by {name}")
        return interrupted.exit_code
    except SystemExit as leave:
        if isinstance(leave.__context__, BrokenPipeError):  # typer's own answer to it
            return _nobody_reads()
        raise
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        _tell(state.console, _disk_error(error))
        return StorageError.exit_code
    except Exception as error:  # noqa: BLE001  (the last resort: a bug)
        return _usage_or_bug(error, state)
    return code if isinstance(code, int) else 0


def _register(arguments: Sequence[str]) -> None:
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    modules = [_COMMANDS[wanted]] if wanted in _COMMANDS else list(_COMMANDS.values())
    for module in modules:
        importlib.import_module(module).register(app)


def _interrupt(signal_number: int, _: FrameType | None) -> None:
    # A second one ends us at once: the namespaces die with us.
    signal.signal(signal_number, signal.SIG_DFL)
    raise Interrupted(signal_number)


def _usage_or_bug(error: Exception, state: State) -> int:
    message = getattr(error, "format_message", None)
    if callable(message):  # typer's own: an unknown flag, a missing argument
        if text := str(message()):  # empty when it has shown the help itself
            _say_quietly(state.console, text)
        return 2
    try:
        where = f"The traceback is in {_write_crash_log(state)}; please report it with that file"
    except OSError as reason:
        where = f"The traceback could not be written: {reason}"
    _say_quietly(
        state.console, f"this is a bug in locald: {type(error).__name__}: {error}. {where}"
    )
    return 1


def _nobody_reads() -> int:
    """Whoever read our output is gone; there is nobody left to tell."""
    _forget(sys.stdout)
    return 128 + signal.SIGPIPE


def _forget(stream: TextIO) -> None:
    """What was not written stays in the stream; at the exit Python would fail to write it."""
    with suppress(OSError):  # no file at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write_crash_log(state: State) -> Path:
    name = time.strftime("crash-%Y%m%d-%H%M%S.log")
    try:
        folder = state.paths.ensure(state.paths.logs)
    except Error:
        folder = Path.cwd()
    path = folder / name
    header = f"locald {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    path.write_text(header + traceback.format_exc(), errors="backslashreplace")
    return path


def _disk_error(error: OSError) -> StorageError:
    where = f" ({error.filename})" if error.filename else ""
    hint = DISK_FULL_HINT if is_full(error) else ""
    return StorageError(f"{error.strerror or error}{where}", hint=hint)


def _tell(console: Console, error: Error) -> None:
    try:
        console.error(error)
    except OSError:
        _forget(sys.stderr)


def _say_quietly(console: Console, text: str) -> None:
    """Tell it if anybody still listens: the terminal may be what has gone."""
    try:
        console.failure(text)
    except OSError:
        _forget(sys.stderr)
