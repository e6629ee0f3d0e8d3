"""What comes out, and how it is told."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from locald.cli.console import Progress

_PANEL = "Output"

Output: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        help="Where to put the image: containers-storage:NAME, oci:DIR[:TAG], "
        "oci-archive:FILE, docker-archive:FILE or docker://NAME; repeatable.",
        metavar="LOCATION",
        show_default="podman's storage where podman is installed",
        rich_help_panel=_PANEL,
    ),
]

Publish: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--publish",
        help="Push the image to its registry: short for --output docker://NAME for each name.",
        rich_help_panel=_PANEL,
    ),
]

Sparse: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--sparse", help="Leave the run image's layers out of oci: outputs.", rich_help_panel=_PANEL
    ),
]

SbomOutputDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--sbom-output-dir",
        help="Write the software bill of materials to this folder.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]

ReportOutputDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report-output-dir",
        help="Write the lifecycle's report.toml to this folder.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]

Report: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write what was built, from what and how long it took, as JSON (or YAML, by "
        "the file's name); - is standard output, instead of the result.",
        metavar="FILE",
        rich_help_panel=_PANEL,
    ),
]

DetectOnly: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--detect-only",
        help="Tell which buildpacks would build this; build nothing.",
        rich_help_panel=_PANEL,
    ),
]

Explain: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Tell what each buildpack said to each group, and why one was chosen.",
        rich_help_panel=_PANEL,
    ),
]

Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the result only.", rich_help_panel=_PANEL)
]

Verbose: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Print what was chosen and why, and all phases' output.",
        rich_help_panel=_PANEL,
    ),
]

Timestamps: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--timestamps", help="Begin each line with the time of day.", rich_help_panel=_PANEL
    ),
]

ProgressOption: TypeAlias = Annotated[
    Progress, typer.Option("--progress", help="Form of the progress.", rich_help_panel=_PANEL)
]
