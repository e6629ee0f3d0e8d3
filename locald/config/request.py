"""What one build is asked for, and which source of a value wins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from lifecycle.runtime.spec import Network, RuntimeName
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference

DEFAULT_EXEC_ENV = "production"

ImageSource: TypeAlias = Reference | ImageLocation
"""A bare reference (`heroku/builder:24`) or a location with its transport (`oci:./builder`)."""


class PullPolicy(StrEnum):
    """When the builder and the run image are looked up in their registry again."""

    ALWAYS = "always"
    IF_NOT_PRESENT = "if-not-present"
    NEVER = "never"


@dataclass(frozen=True)
class BuildpackPath:
    """A buildpack in a folder, or in a tar or tgz file, of this host."""

    path: Path


@dataclass(frozen=True)
class BuildpackId:
    """A buildpack that the builder holds; an empty version means the only one it has."""

    id: str
    version: str = ""


BuildpackSource: TypeAlias = BuildpackPath | BuildpackId


@dataclass(frozen=True, kw_only=True)
class ProjectMetadata:
    """What project.toml says about the project, for the image's labels."""

    id: str = ""
    name: str = ""
    version: str = ""
    authors: tuple[str, ...] = ()
    documentation_url: str = ""
    source_url: str = ""
    licenses: tuple[tuple[str, str], ...] = ()
    """(type, uri) of each."""


@dataclass(frozen=True, kw_only=True)
class SourceRules:
    """gitignore patterns; at most one of the two is set. With neither, the defaults hold."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One image to build. Every path is absolute, every name parsed.

    names: what the image is called, with the tag `latest` where none was given.
    buildpacks: in order; empty means the builder's own order.
    env: for /platform/env.
    outputs: empty means the default place.
    runtime: None means `auto`.
    process_type: the image's default process; None leaves it to the buildpacks.
    origins: field name → where its value came from, for `-v`.
    """

    app_dir: Path
    project_name: str
    service: str | None
    names: tuple[Reference, ...]
    builder: ImageSource
    buildpacks: tuple[BuildpackSource, ...] = ()
    run_image: ImageSource | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[ImageLocation, ...] = ()
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    clear_cache: bool = False
    network: Network = Network.PRIVATE
    runtime: RuntimeName | None = None
    process_type: str | None = None
    source_rules: SourceRules = SourceRules()
    report: Path | None = None
    ca_cert: Path | None = None
    exec_env: str = DEFAULT_EXEC_ENV
    platform: Platform
    metadata: ProjectMetadata = ProjectMetadata()
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BuildFlags:
    """The command line of `locald build`, as written; None or empty where a flag is absent."""

    path: Path = Path()
    service: str | None = None
    tags: tuple[str, ...] = ()
    builder: str | None = None
    buildpacks: tuple[str, ...] = ()
    run_image: str | None = None
    env: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    outputs: tuple[str, ...] = ()
    pull_policy: PullPolicy | None = None
    clear_cache: bool = False
    network: Network | None = None
    runtime: str | None = None
    """A `RuntimeName` or `auto`."""
    process_type: str | None = None
    report: Path | None = None
    ca_cert: Path | None = None
    exec_env: str | None = None
    platform: str | None = None


def image_component(text: str) -> str:
    """A folder's or project's name as one component of an image name: lower case, the rest as
    single dashes; `app` when nothing is left.
    """
    component = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return component[:100].rstrip("-") or "app"
