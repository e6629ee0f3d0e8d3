"""Which buildpacks run, and with which lifecycle."""

from typing import Annotated, TypeAlias

import typer

_PANEL = "Buildpacks"

Buildpack: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--buildpack",
        "-b",
        help="Use these buildpacks instead of the builder's order: a folder, a tar, tgz or "
        "cnb file or its URL, an image, ID[@VERSION] of the builder, or from=builder; "
        "repeatable.",
        metavar="BUILDPACK",
        rich_help_panel=_PANEL,
    ),
]

PreBuildpack: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--pre-buildpack",
        help="Buildpack that runs before each group of the builder's order; repeatable.",
        metavar="BUILDPACK",
        rich_help_panel=_PANEL,
    ),
]

PostBuildpack: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--post-buildpack",
        help="Buildpack that runs after each group of the builder's order; repeatable.",
        metavar="BUILDPACK",
        rich_help_panel=_PANEL,
    ),
]

Extension: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--extension",
        help="Image extension to use, named as a buildpack is; repeatable.",
        metavar="EXTENSION",
        rich_help_panel=_PANEL,
    ),
]

DisableSystemBuildpacks: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--disable-system-buildpacks",
        help="Leave out the buildpacks that the builder adds to every build.",
        rich_help_panel=_PANEL,
    ),
]

Lifecycle: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--lifecycle",
        "--lifecycle-image",
        help="Run this lifecycle instead of the builder's: an image, a folder, or a tgz file.",
        metavar="LOCATION",
        rich_help_panel=_PANEL,
    ),
]
