"""What the build finds around it."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from lifecycle.runtime.spec import Network

_PANEL = "Build environment"

Env: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        "-e",
        help="Variable for the build; K alone takes the value from here; repeatable.",
        metavar="K=V",
        rich_help_panel=_PANEL,
    ),
]

EnvFile: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--env-file",
        help="File of variables for the build.",
        metavar="FILE",
        rich_help_panel=_PANEL,
    ),
]

ExecEnv: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--exec-env",
        help="Execution environment: which buildpacks, processes and variables apply.",
        metavar="NAME",
        show_default="production",
        rich_help_panel=_PANEL,
    ),
]

Volume: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--volume",
        help="Folder or file of this host that the detect and build phases see; read-only "
        "unless rw; repeatable.",
        metavar="SRC:DST[:ro|rw]",
        rich_help_panel=_PANEL,
    ),
]

Binding: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--binding",
        help="Service binding: a folder whose files are its entries; repeatable.",
        metavar="NAME=DIR",
        rich_help_panel=_PANEL,
    ),
]

Secret: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        help="File that only the build phase sees, as /run/secrets/ID; it is searched for "
        "in what was built; repeatable.",
        metavar="id=ID,src=FILE",
        rich_help_panel=_PANEL,
    ),
]

NetworkOption: TypeAlias = Annotated[
    Network | None,
    typer.Option(
        "--network",
        help="Network of the detect and build phases; the others never have one.",
        show_default="private",
        rich_help_panel=_PANEL,
    ),
]

Workspace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        help="Name of the folder that the source has in the build and in the image.",
        metavar="NAME",
        show_default="workspace",
        rich_help_panel=_PANEL,
    ),
]

Uid: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--uid",
        help="User id of the build, instead of the builder's.",
        min=0,
        metavar="N",
        rich_help_panel=_PANEL,
    ),
]

Gid: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--gid",
        help="Group id of the build, instead of the builder's.",
        min=0,
        metavar="N",
        rich_help_panel=_PANEL,
    ),
]

CaCert: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--ca-cert",
        help="CA certificates (PEM) to trust during the build.",
        metavar="FILE",
        show_default="the host's",
        rich_help_panel=_PANEL,
    ),
]

Runtime: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        help="What runs the containers of the build.",
        metavar="[auto|runc|podman|bwrap]",
        show_default="auto",
        rich_help_panel=_PANEL,
    ),
]

Rootless: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--rootless",
        help="No step runs with real root. Always so; accepted for clarity.",
        rich_help_panel=_PANEL,
    ),
]

Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--memory",
        help="End the build when detect or build hold more memory: 512m, 2g, none.",
        metavar="SIZE",
        show_default="none",
        rich_help_panel=_PANEL,
    ),
]

Pids: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--pids",
        help="Processes and threads that detect or build may have at once, or none.",
        metavar="N",
        show_default="16384",
        rich_help_panel=_PANEL,
    ),
]

MaxDisk: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-disk",
        help="End the build when it keeps more on disk: 500m, 10g, none.",
        metavar="SIZE",
        show_default="none",
        rich_help_panel=_PANEL,
    ),
]

Timeout: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        help="End the build after this time: seconds, or 90s, 15m, 2h.",
        metavar="DURATION",
        show_default="no limit",
        rich_help_panel=_PANEL,
    ),
]
