"""`locald inspect`."""

import json
import shutil
import sys
from enum import StrEnum
from typing import Annotated, assert_never

import msgspec
import typer
import yaml

from locald.cli.console import Progress
from locald.cli.inspection_text import inspection_lines
from locald.cli.state import State
from locald.inspect.subject import inspect_subject


class OutputFormat(StrEnum):
    """`--output`."""

    HUMAN = "human"
    JSON = "json"
    YAML = "yaml"


def inspect_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An image that was built here, a project's folder, or a location such as "
            "docker://NAME, containers-storage:NAME or oci:DIR.",
            show_default="the current folder",
        ),
    ] = ".",
    output: Annotated[
        OutputFormat,
        typer.Option("--output", "-o", help="Text for people, or a document for programs."),
    ] = OutputFormat.HUMAN,
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="NAME", help="The service of locald.toml."),
    ] = None,
) -> None:
    """Show what an image is made of: base image, buildpacks, processes, and who made each layer.

    Only its manifest and configuration are read.
    """
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=False, verbose=False)
    inspection = inspect_subject(target, service=service, tools=state.tools())
    match output:
        case OutputFormat.JSON:
            state.console.document(json.dumps(msgspec.to_builtins(inspection), indent=2))
        case OutputFormat.YAML:
            document = msgspec.json.decode(msgspec.json.encode(inspection))
            state.console.document(yaml.safe_dump(document, sort_keys=False))
        case OutputFormat.HUMAN:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            for line in inspection_lines(inspection, width=width):
                state.console.result(line)
        case _:
            assert_never(output)


def register(app: typer.Typer) -> None:
    """Add `locald inspect`."""
    app.command("inspect")(inspect_command)
