"""Which source is built."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_PANEL = "Source"

PathArgument: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="The project's folder, or a zip or tar archive of it.",
        show_default="the current folder",
    ),
]

PathOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--path",
        "-p",
        help="The same as PATH, as pack has it.",
        metavar="PATH",
        rich_help_panel=_PANEL,
    ),
]

Descriptor: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--descriptor",
        "-d",
        help="The project descriptor; paths in it start in its folder.",
        metavar="FILE",
        show_default="project.toml in the folder",
        rich_help_panel=_PANEL,
    ),
]

IgnoreFile: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--ignore-file",
        help="Also leave out what this .gitignore or .dockerignore leaves out; repeatable.",
        metavar="FILE",
        rich_help_panel=_PANEL,
    ),
]

Service: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--service",
        "-s",
        help="Build one service of locald.toml only.",
        metavar="NAME",
        rich_help_panel=_PANEL,
    ),
]

Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        help="How many services are built at the same time.",
        min=1,
        metavar="N",
        show_default="1",
        rich_help_panel=_PANEL,
    ),
]

ShowContext: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--show-context",
        help="List what goes into the build, and why the rest does not; build nothing.",
        rich_help_panel=_PANEL,
    ),
]
