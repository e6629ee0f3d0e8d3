"""project.toml, the project descriptor of the CNB project: schema versions 0.1, 0.2 and 0.3.

Source: https://github.com/buildpacks/spec/blob/main/extensions/project-descriptor.md
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

FILE_NAME = "project.toml"
SCHEMA_VERSIONS = ("0.1", "0.2", "0.3")


class License(msgspec.Struct, frozen=True, kw_only=True):
    """A licence's SPDX name, or where a non-standard one is."""

    type: str = ""
    uri: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """An inline buildpack: what its build step does."""

    inline: str
    api: str = ""
    shell: str = "/bin/sh"


class BuildpackEntry(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One buildpack of a group: by id and version, by uri, or written inline."""

    id: str = ""
    version: str = ""
    uri: str = ""
    script: Script | None = None
    optional: bool = False
    exec_env: tuple[str, ...] = ()


class Variable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A build-time variable; with exec_env only for those execution environments."""

    name: str
    value: str
    exec_env: tuple[str, ...] = ()


class ProjectMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Who the project is: the table `_`, in schema 0.1 `project`. `metadata` is free-form."""

    schema_version: str = ""
    id: str = ""
    name: str = ""
    version: str = ""
    authors: tuple[str, ...] = ()
    documentation_url: str = ""
    source_url: str = ""
    licenses: tuple[License, ...] = ()
    metadata: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class ProjectToml:
    """The descriptor, whatever its schema version.

    include, exclude: at most one holds patterns; an empty include says nothing, as for pack.
    keys: a field's name → its key path in the file, for messages.
    notes: what the reader should be told, one line each; nothing in them is an error.
    """

    identity: ProjectMetadata
    builder: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    group: tuple[BuildpackEntry, ...] = ()
    pre: tuple[BuildpackEntry, ...] = ()
    post: tuple[BuildpackEntry, ...] = ()
    env: tuple[Variable, ...] = ()
    keys: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def variables(self, exec_env: str) -> Mapping[str, str]:
        """The build-time variables for one execution environment."""
        return {v.name: v.value for v in self.env if applies(v.exec_env, exec_env)}


def applies(exec_envs: Iterable[str], exec_env: str) -> bool:
    """Does an entry with this `exec-env` filter hold? None listed and `*` mean always."""
    listed = tuple(exec_envs)
    return not listed or exec_env in listed or "*" in listed
