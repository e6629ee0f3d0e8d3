"""What the image is called, built with and stands on."""

from typing import Annotated, TypeAlias

import typer

from locald.config.pull_policy import PullPolicy

_PANEL = "Images"

Tag: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        "-t",
        help="Name of the image; repeatable.",
        metavar="NAME",
        show_default="the project's name",
        rich_help_panel=_PANEL,
    ),
]

Builder: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--builder",
        "-B",
        help="Builder image: a reference, or TRANSPORT:TARGET such as oci:DIR.",
        metavar="IMAGE",
        rich_help_panel=_PANEL,
    ),
]

RunImage: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--run-image",
        help="The image that the result stands on.",
        metavar="IMAGE",
        show_default="the builder's",
        rich_help_panel=_PANEL,
    ),
]

PreviousImage: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--previous-image",
        help="The image whose layers may be reused.",
        metavar="IMAGE",
        show_default="the one that is replaced",
        rich_help_panel=_PANEL,
    ),
]

Pull: TypeAlias = Annotated[
    PullPolicy | None,
    typer.Option(
        "--pull-policy",
        help="When to look images up in their registry.",
        show_default="if-not-present",
        rich_help_panel=_PANEL,
    ),
]

DefaultProcess: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--default-process",
        "-D",
        help="The process that the image starts by default.",
        metavar="TYPE",
        rich_help_panel=_PANEL,
    ),
]

PlatformOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--platform",
        help="Platform of the images.",
        metavar="OS/ARCH[/VARIANT]",
        show_default="this host's",
        rich_help_panel=_PANEL,
    ),
]

CreationTime: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--creation-time",
        help="The image's time: seconds since 1970, now, or git (the commit's).",
        metavar="SECONDS|now|git",
        show_default="a constant",
        rich_help_panel=_PANEL,
    ),
]
