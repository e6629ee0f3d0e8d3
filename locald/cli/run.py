"""`locald run`."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from lifecycle.runtime.select import refuse_root
from lifecycle.runtime.spec import Network
from locald.cli.console import Console, Progress
from locald.cli.state import State
from locald.services.run import RunFlags, run_application
from oci.errors import Interrupted

_ARGUMENTS = "locald.arguments"
_START, _ENVIRONMENT, _OUTPUT = "Start", "Environment", "Output"


class RunCommand(TyperCommand):
    """A command whose words after `--` are the application's, not further arguments of ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set the application's words aside before the others are read."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_ARGUMENTS] = tuple(args[at + 1 :])
            args = args[:at]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line, with what may follow `--`."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGS]..."]


def run_command(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="An image that was built here, or the folder of a project.",
            show_default="the current folder",
        ),
    ] = ".",
    process: Annotated[
        str | None,
        typer.Option(
            "--process",
            metavar="TYPE",
            help="The process type to start.",
            show_default="locald.toml's command, the Procfile's web, the image's default",
            rich_help_panel=_START,
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", "-s",
            metavar="NAME",
            help="The service of locald.toml to run.",
            rich_help_panel=_START,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", "-p",
            min=0,
            max=65535,
            help="Port of this host that leads to the application; 0 takes any free one.",
            show_default="the service's, else 8080",
            rich_help_panel=_START,
        ),
    ] = None,
    network: Annotated[
        Network | None,
        typer.Option(
            "--network",
            help="Network of the application.",
            show_default="private",
            rich_help_panel=_START,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="[auto|runc|podman|bwrap]",
            help="What runs the container.",
            show_default="podman if it has the image, else the best one here",
            rich_help_panel=_START,
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e",
            metavar="K=V",
            help="Variable for the application; K alone takes the value from here; repeatable.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--env-file",
            metavar="FILE",
            help="File of variables for the application.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print what the application prints only.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Print what was chosen and why.", rich_help_panel=_OUTPUT
        ),
    ] = False,
) -> int:  # fmt: skip
    """Run a built image through its launcher, in the foreground.

    The application gets PORT, and is reached at http://localhost:PORT of this host only. Its
    exit code is ours. Ctrl-C stops it: SIGTERM, and SIGKILL after 10 seconds.
    """
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=verbose)
    flags = RunFlags(
        target=target,
        service=service,
        process=process,
        port=port,
        env=tuple(env or ()),
        env_files=tuple(env_file or ()),
        network=network,
        runtime=runtime,
        arguments=ctx.meta.get(_ARGUMENTS, ()),
    )
    with _told_when_stopping(state.console) as stopping:
        try:
            refuse_root()
            return run_application(flags, state.tools(), state.console, stopping=stopping)
        except Interrupted as interrupted:
            state.console.note(f"Stopped by {signal.Signals(interrupted.signal_number).name}")
            return interrupted.exit_code


def register(app: typer.Typer) -> None:
    """Add `locald run`."""
    app.command("run", cls=RunCommand)(run_command)


@contextmanager
def _told_when_stopping(console: Console) -> Iterator[threading.Event]:
    """Say that an interruption was heard, and set the event that the block gets: an application
    may take its time to end."""
    heard = threading.Event()
    over = threading.Event()

    def interrupt(signal_number: int, _: FrameType | None) -> None:
        # A second one ends us at once: the container dies with us.
        signal.signal(signal_number, signal.SIG_DFL)
        heard.set()
        raise Interrupted(signal_number)

    def tell() -> None:
        heard.wait()
        if not over.wait(timeout=0.5):
            console.note("Stopping the application; once more ends it at once")

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)
    threading.Thread(target=tell, daemon=True).start()
    try:
        yield heard
    finally:
        over.set()
