"""What is kept between builds."""

from typing import Annotated, TypeAlias

import typer

_PANEL = "Cache"

Cache: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Folder of this build's cache.",
        metavar="DIR",
        show_default="one for each project",
        rich_help_panel=_PANEL,
    ),
]

CacheImage: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cache-image",
        help="Image that carries the cache from machine to machine: fetched before, pushed "
        "after the build.",
        metavar="IMAGE",
        rich_help_panel=_PANEL,
    ),
]

CacheFrom: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--cache-from",
        help="Folder or image with a cache to start from when there is none yet; repeatable.",
        metavar="DIR|IMAGE",
        rich_help_panel=_PANEL,
    ),
]

ClearCache: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--clear-cache",
        help="Forget what earlier builds of this project left.",
        rich_help_panel=_PANEL,
    ),
]

IfChanged: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--if-changed/--no-if-changed",
        help="Run no phase when the source and all else is the same as for the last image.",
        show_default="build always",
        rich_help_panel=_PANEL,
    ),
]
