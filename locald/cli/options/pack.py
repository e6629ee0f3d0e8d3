"""Flags of `pack build` that have nothing to do here: accepted, so that its scripts run."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import typer

_IGNORED = "Accepted, and without effect."

TrustBuilder: TypeAlias = Annotated[
    bool | None, typer.Option("--trust-builder/--no-trust-builder", hidden=True, help=_IGNORED)
]

TrustExtraBuildpacks: TypeAlias = Annotated[
    bool, typer.Option("--trust-extra-buildpacks", hidden=True, help=_IGNORED)
]

DockerHost: TypeAlias = Annotated[
    str | None, typer.Option("--docker-host", hidden=True, help=_IGNORED)
]

UsernsHost: TypeAlias = Annotated[bool, typer.Option("--userns-host", hidden=True, help=_IGNORED)]

Interactive: TypeAlias = Annotated[bool, typer.Option("--interactive", hidden=True, help=_IGNORED)]


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
