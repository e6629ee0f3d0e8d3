"""Flags of `pack build` that have nothing to do here: accepted, so that its scripts run."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import typer

TrustBuilder: TypeAlias = Annotated[
    bool | None, typer.Option("--trust-builder/--no-trust-builder", hidden=True)
]

TrustExtraBuildpacks: TypeAlias = Annotated[
    bool, typer.Option("--trust-extra-buildpacks", hidden=True)
]

DockerHost: TypeAlias = Annotated[str | None, typer.Option("--docker-host", hidden=True)]

UsernsHost: TypeAlias = Annotated[bool, typer.Option("--userns-host", hidden=True)]

Interactive: TypeAlias = Annotated[bool, typer.Option("--interactive", hidden=True)]


def ignored_flags(
    *,
    trust_builder: bool | None,
    trust_extra_buildpacks: bool,
    docker_host: str | None,
    userns_host: bool,
    interactive: bool,
) -> Iterator[str]:
    """A note for each that was given: why it changes nothing."""
    isolated = "no phase has more rights for a builder or buildpack that is trusted"
    if trust_builder is not None:
        yield f"--trust-builder is ignored: {isolated}"
    if trust_extra_buildpacks:
        yield f"--trust-extra-buildpacks is ignored: {isolated}"
    if docker_host is not None:
        yield "--docker-host is ignored: no daemon is used"
    if userns_host:
        yield "--userns-host is ignored: no daemon is used"
    if interactive:
        yield "--interactive is ignored: see --progress"
