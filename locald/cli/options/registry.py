"""How registries are reached."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_PANEL = "Registries"

Authfile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--authfile",
        help="File with the credentials of registries.",
        metavar="FILE",
        show_default="podman's and docker's",
        rich_help_panel=_PANEL,
    ),
]

CertDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--cert-dir",
        help="Folder with CA certificates (*.crt) and client certificates of registries.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]

InsecureRegistry: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--insecure-registry",
        help="Registry that may have no valid certificate or speak plain HTTP; repeatable.",
        metavar="HOST[:PORT]",
        rich_help_panel=_PANEL,
    ),
]
