"""`locald build`."""

from pathlib import Path
from typing import Annotated

import typer

from lifecycle.runtime.spec import Network
from locald.build.pipeline import build
from locald.build.report import STDOUT, BuildResult, report_text, write_report
from locald.cli.console import Console, Progress
from locald.cli.state import State
from locald.config.pull_policy import PullPolicy
from locald.config.request import BuildFlags
from locald.config.resolve import read_requests

_SOURCE, _IMAGES, _ENVIRONMENT, _OUTPUT = "Source", "Images", "Build environment", "Output"


def build_command(
    path: Annotated[
        Path, typer.Argument(help="The project's folder.", show_default="the current folder")
    ] = Path(),
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            "-t",
            metavar="NAME",
            help="Name of the image; repeatable.",
            show_default="the project's name",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    builder: Annotated[
        str | None,
        typer.Option(
            "--builder",
            "-B",
            metavar="IMAGE",
            help="Builder image: a reference, or TRANSPORT:TARGET such as oci:DIR.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    buildpack: Annotated[
        list[str] | None,
        typer.Option(
            "--buildpack",
            "-b",
            metavar="BUILDPACK",
            help="Use these buildpacks instead of the builder's order: a folder, a tar "
            "or tgz file, or ID[@VERSION] of the builder; repeatable.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    run_image: Annotated[
        str | None,
        typer.Option(
            "--run-image",
            metavar="IMAGE",
            help="The image that the result stands on.",
            show_default="the builder's",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    pull_policy: Annotated[
        PullPolicy | None,
        typer.Option(
            "--pull-policy",
            help="When to look images up in their registry.",
            show_default="if-not-present",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            metavar="K=V",
            help="Variable for the build; K alone takes the value from here; repeatable.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--env-file",
            metavar="FILE",
            help="File of variables for the build.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    process: Annotated[
        str | None,
        typer.Option(
            "--default-process",
            "-D",
            metavar="TYPE",
            help="The process that the image starts by default.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    network: Annotated[
        Network | None,
        typer.Option(
            "--network",
            help="Network of the detect and build phases; the others never have one.",
            show_default="private",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    ca_cert: Annotated[
        Path | None,
        typer.Option(
            "--ca-cert",
            metavar="FILE",
            help="CA certificates (PEM) to trust during the build.",
            show_default="the host's",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="[auto|runc|podman|bwrap]",
            help="What runs the containers of the build.",
            show_default="auto",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = None,
    rootless: Annotated[
        bool,
        typer.Option(
            "--rootless",
            help="No step runs with real root. Always so; accepted for clarity.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = True,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            metavar="OS/ARCH[/VARIANT]",
            help="Platform of the images.",
            show_default="this host's",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service",
            "-s",
            metavar="NAME",
            help="Build one service of locald.toml only.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    clear_cache: Annotated[
        bool,
        typer.Option(
            "--clear-cache",
            help="Forget what earlier builds of this project left.",
            rich_help_panel=_ENVIRONMENT,
        ),
    ] = False,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="LOCATION",
            help="Where to put the image: containers-storage:NAME, oci:DIR[:TAG], "
            "oci-archive:FILE, docker-archive:FILE or docker://NAME; repeatable.",
            show_default="podman's storage where podman is installed",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write what was built, from what and how "
            "long it took, as JSON (or YAML, by the file's name); - is standard output, instead of "
            "the result.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the result only.", rich_help_panel=_OUTPUT)
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Print what was chosen and why, and all phases' output.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    progress: Annotated[
        Progress, typer.Option("--progress", help="Form of the progress.", rich_help_panel=_OUTPUT)
    ] = Progress.AUTO,
) -> None:
    """Build an OCI image from source with Cloud Native Buildpacks.

    Standard output carries NAME@DIGEST of what was built, everything else is on standard error.
    """
    state = State.current()
    state.configure(progress=progress, quiet=quiet, verbose=verbose)
    flags = BuildFlags(
        path=path,
        service=service,
        tags=tuple(tag or ()),
        builder=builder,
        buildpacks=tuple(buildpack or ()),
        run_image=run_image,
        env=tuple(env or ()),
        env_files=tuple(env_file or ()),
        outputs=tuple(output or ()),
        pull_policy=pull_policy,
        clear_cache=clear_cache,
        network=network,
        runtime=runtime,
        process_type=process,
        report=report,
        ca_cert=ca_cert,
        exec_env=None,
        platform=platform,
    )
    for request in read_requests(flags, state.paths):
        for note in request.notes:
            state.console.note(note)
        for name, origin in request.origins.items():
            state.console.detail(f"{name}: from {origin}")
        result = build(request, state.tools(), state.console)
        _summarize(state.console, result, to_stdout=request.report != STDOUT)
        if request.report == STDOUT:
            state.console.document(report_text(result, yaml_form=False))
        elif request.report is not None:
            write_report(request.report, result)


def register(app: typer.Typer) -> None:
    """Add `locald build`."""
    app.command("build")(build_command)


def _summarize(console: Console, result: BuildResult, *, to_stdout: bool) -> None:
    console.note(
        f"Built {result.names[0].familiar} in {result.seconds:.1f} s"
        + (f", delivered to {', '.join(result.outputs)}" if result.outputs else "")
    )
    if to_stdout:
        for name in result.names:
            console.result(f"{name.name}@{result.image.digest}")
