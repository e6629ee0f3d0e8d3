"""`locald builder …`: make builder images, look into them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml

from lifecycle.builder import BuilderImage
from locald.build.builder_create import (
    EMBEDDED_NAME,
    BuilderRequest,
    create_builder,
)
from locald.build.builder_inspect import BuilderReport, known_builders, report_of
from locald.build.builder_sources import BuilderTools
from locald.cli.console import Console, Progress
from locald.cli.state import State
from oci.errors import ImageError, UsageError
from oci.location import ImageLocation, is_location
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.skopeo import Skopeo

builder_app = typer.Typer(
    name="builder", help="Make builder images, look into them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add `locald builder`."""
    app.add_typer(builder_app)


class InspectFormat(StrEnum):
    """`--output` of `locald builder inspect`."""

    HUMAN = "human"
    JSON = "json"
    YAML = "yaml"


@builder_app.command("create")
def create_command(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the builder.", show_default=EMBEDDED_NAME.familiar),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="The builder.toml that says what goes in."
        ),
    ] = None,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            help="Make the builder that comes with locald, and its base images, on this host.",
        ),
    ] = False,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="K=V", help="Label of the image; repeatable."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="OS/ARCH", help="Made for.", show_default="this host's"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make it again though nothing has changed.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the result and errors only.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell more.")] = False,
    progress: Annotated[
        Progress, typer.Option("--progress", help="How progress is shown.")
    ] = Progress.AUTO,
) -> None:
    """Make a builder image, without a daemon and without root.

    Prints NAME@DIGEST. Nothing is made again while nothing changed.
    """
    if embedded == (config is not None):
        raise UsageError(
            "give one of --embedded and --config FILE",
            hint="--embedded makes the builder that comes with locald",
        )
    if name is None and not embedded:
        raise UsageError("the builder needs a NAME", hint="such as: locald builder create shop")
    state = State.current()
    state.configure(progress=progress, quiet=quiet, verbose=verbose)
    request = BuilderRequest(
        name=_name(name) if name else EMBEDDED_NAME,
        config=None if config is None else config.absolute(),
        platform=_platform(platform),
        force=force,
        labels=_labels(label or []),
    )
    tools = BuilderTools(
        runner=state.runner,
        store=state.tools().store,
        paths=state.paths,
        on_step=state.console.step,
    )
    created = create_builder(request, tools)
    if not created.made:
        state.console.note(f"{request.name.familiar} is up to date")
    state.console.result(f"{request.name.name}@{created.stored.digest}")


@builder_app.command("inspect")
def inspect_command(
    name: Annotated[
        str,
        typer.Argument(help="The builder: a name, or TRANSPORT:TARGET such as oci:DIR."),
    ] = str(EMBEDDED_NAME),
    output: Annotated[
        InspectFormat, typer.Option("--output", "-o", help="Form of the output.")
    ] = InspectFormat.HUMAN,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform", metavar="OS/ARCH", help="Of which platform.", show_default="this host's"
        ),
    ] = None,
) -> None:
    """Print what a builder holds. Of one in a registry nothing but its description is fetched."""
    state = State.current()
    builder, reference = _read(state, name, _platform(platform))
    report = report_of(builder, name=reference)
    match output:
        case InspectFormat.HUMAN:
            _print_human(state.console, report)
        case InspectFormat.JSON:
            text = msgspec.json.format(msgspec.json.encode(report), indent=2)
            state.console.document(text.decode())
        case InspectFormat.YAML:
            document = yaml.safe_dump(
                msgspec.to_builtins(report), sort_keys=False, allow_unicode=True
            )
            state.console.document(document)


@builder_app.command("suggest")
def suggest_command() -> None:
    """List builders that are known to work."""
    console = State.current().console
    for known in known_builders():
        console.result(f"{known.image:<48} {known.description}")


def _read(state: State, text: str, platform: Platform) -> tuple[BuilderImage, str]:
    if is_location(text):
        location = ImageLocation.parse(text, relative_to=Path.cwd())
    else:
        for registry in (LOCALHOST, "docker.io"):
            reference = Reference.parse(text, default_registry=registry).with_default_tag()
            found = state.tools().store.find(reference, platform)
            if found is not None:
                return BuilderImage.from_config(found.config, origin=str(reference)), str(reference)
        reference = Reference.parse(text)
        if reference.registry == LOCALHOST:
            raise ImageError(
                f"the builder {reference} is not in the store, and no registry has it",
                hint="`locald builder create --embedded` makes one",
            )
        location = ImageLocation.registry(reference)
    remote = Skopeo(state.runner, state.registries()).remote_image(location, platform=platform)
    return BuilderImage.from_config(remote.config, origin=str(location)), str(location)


def _print_human(console: Console, report: BuilderReport) -> None:
    console.document("\n".join(report.lines()))


def _name(text: str) -> Reference:
    reference = Reference.parse(text, default_registry=LOCALHOST).with_default_tag()
    if reference.digest is not None:
        raise UsageError(f"{text}: a builder is made under a name, not a digest")
    return reference


def _platform(text: str | None) -> Platform:
    return Platform.of_host() if text is None else Platform.parse(text)


def _labels(texts: list[str]) -> dict[str, str]:
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--label {text}: write it as KEY=VALUE")
        labels[key] = value
    return labels
