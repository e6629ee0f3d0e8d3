"""`locald doctor`."""

import logging
import os
from typing import Annotated

import typer

from locald.cli.console import Progress
from locald.cli.state import State


def doctor_command(
    json_form: Annotated[
        bool, typer.Option("--json", help="An object for programs instead of a table.")
    ] = False,
    fix_hints: Annotated[
        bool,
        typer.Option("--fix-hints", help="Only the commands that remedy what is wrong."),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show also what is in order.")] = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Judge for builds with this container runtime.",
            metavar="auto|runc|podman|bwrap",
            show_default="your config.toml, else auto",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Judge for builds with this network.",
            metavar="private|host|none",
            show_default="your config.toml, else private",
        ),
    ] = None,
    reach: Annotated[
        list[str] | None,
        typer.Option(
            help="Ask the registry of this image for it, too. May be given more than once.",
            metavar="IMAGE",
        ),
    ] = None,
) -> None:
    """Tell whether builds work on this host, found out by trying, and what to do where they do not.

    A tiny image goes the way of a builder, and a program of it the way of the phases; nothing of
    it stays. Exit code 0: a build works. 3: it does not.
    """
    from lifecycle.runtime.spec import Network, RuntimeName
    from locald.cli.doctor_text import examination_document, examination_lines
    from locald.config.user_config import read_user_config
    from locald.doctor.distribution import Distribution
    from locald.doctor.examination import examine
    from locald.doctor.host import Host
    from oci.errors import HostError, UsageError
    from oci.reference import Reference

    if json_form and fix_hints:
        raise UsageError("give --json or --fix-hints, not both")
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=False, verbose=False)
    # What the code of builds would note is what the findings tell.
    logging.getLogger().setLevel(logging.ERROR)
    user = read_user_config(state.paths.user_config)
    wanted_runtime = _one_of("--runtime", runtime or user.runtime or "auto", ("auto", *RuntimeName))
    wanted_network = _one_of("--network", network or user.network or "private", tuple(Network))
    host = Host(
        runner=state.runner,
        paths=state.paths,
        distribution=Distribution.of_host(),
        environ=os.environ,
        registries=state.registries(),
        uid=os.getuid(),
        network=Network(wanted_network),
        runtime=None if wanted_runtime == "auto" else RuntimeName(wanted_runtime),
        reach=tuple(Reference.parse(text).with_default_tag() for text in reach or ()),
    )
    found = examine(host)
    if json_form:
        state.console.document(examination_document(found))
    elif fix_hints:
        for command in found.commands:
            state.console.result(command)
    else:
        lines = examination_lines(found, every=every, color=state.console.color)
        state.console.document("\n".join(lines))
    if not found.can_build:
        raise typer.Exit(HostError.exit_code)


def register(app: typer.Typer) -> None:
    """Add `locald doctor`."""
    app.command("doctor")(doctor_command)


def _one_of(flag: str, value: str, values: tuple[str, ...]) -> str:
    from oci.errors import UsageError

    if value not in values:
        raise UsageError(f"{flag}: {value!r} is none of {', '.join(values)}")
    return value
