"""What one build is asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.buildpack_source import BuildpackId, BuildpackPath, BuildpackSource
from locald.config.ignore import SourceRules
from locald.config.project_toml import Identity as ProjectMetadata
from locald.config.pull_policy import PullPolicy
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference

__all__ = [
    "DEFAULT_EXEC_ENV",
    "BuildFlags",
    "BuildRequest",
    "BuildpackId",
    "BuildpackPath",
    "BuildpackSource",
    "ImageSource",
    "ProjectMetadata",
    "PullPolicy",
    "SourceRules",
    "image_component",
]

DEFAULT_EXEC_ENV = "production"

ImageSource: TypeAlias = Reference | ImageLocation
"""A bare reference (`heroku/builder:24`) or a location with its transport (`oci:./builder`)."""

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_COMPONENT_LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One image to build. Every path is absolute, every name parsed.

    names: what the image is called, with the tag `latest` where none was given.
    buildpacks: in order; empty means the builder's own order.
    env: for /platform/env.
    outputs: empty means the default place.
    runtime: None means `auto`.
    process_type: the image's default process; None leaves it to the buildpacks.
    source_rules: for `ignore.scan_source(app_dir, source_rules)`.
    report: `-` means standard output.
    metadata: what project.toml says about the project, for the image's labels.
    notes: warnings for the user, one line each.
    origins: field name (`env.NAME` for a variable) → where its value came from, for `-v`.
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
    source_rules: SourceRules = field(default_factory=SourceRules)
    report: Path | None = None
    ca_cert: Path | None = None
    exec_env: str = DEFAULT_EXEC_ENV
    platform: Platform
    metadata: ProjectMetadata = field(default_factory=ProjectMetadata)
    notes: tuple[str, ...] = ()
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
    """A folder's or project's name as one component of an image name: unchanged when it is
    one, else lower case with single dashes for the rest; `app` when nothing is left.
    """
    if len(text) <= _COMPONENT_LIMIT and _COMPONENT.fullmatch(text):
        return text
    component = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return component[:_COMPONENT_LIMIT].rstrip("-") or "app"
