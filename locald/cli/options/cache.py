"""What is kept between builds."""

from typing import Annotated, TypeAlias

import typer

_PANEL = "Cache"

Cache: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Folder for this build's cache; pack's `type=build;format=bind;source=DIR` is the "
        "same.",
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
        "after the build; in a registry, oci:DIR or oci-archive:FILE.",
        metavar="IMAGE",
        rich_help_panel=_PANEL,
    ),
]

CacheFrom: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--cache-from",
        help="Folder, file of `locald cache export` or image with a cache to start from when "
        "there is none yet; the first that is there; repeatable.",
        metavar="DIR|FILE|IMAGE",
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
