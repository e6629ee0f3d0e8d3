"""The buildpacks that project.toml names."""

from collections.abc import Callable
from pathlib import Path

from locald.config.buildpack_source import BuildpackSource
from locald.config.errors import ConfigError
from locald.config.project_limits import project_buildpack
from locald.config.project_toml import BuildpackEntry, ProjectToml, applies


def descriptor_buildpacks(
    descriptor: ProjectToml, exec_env: str, *, folder: Path, key: Callable[[str], str]
) -> tuple[BuildpackSource, ...]:
    """The group that replaces the builder's order; empty when the file names none.

    key: file and key path of one of the descriptor's fields, for errors.
    """
    for field_name, entries in (("pre", descriptor.pre), ("post", descriptor.post)):
        if any(applies(entry.exec_env, exec_env) for entry in entries):
            raise ConfigError(
                f"{key(field_name)}: buildpacks before or after the builder's own are not "
                "supported yet",
                hint="name the whole order with --buildpack, or in group",
            )
    return tuple(
        _source(entry, f"{key('group')}[{index}]", folder)
        for index, entry in enumerate(descriptor.group)
        if applies(entry.exec_env, exec_env)
    )


def _source(entry: BuildpackEntry, origin: str, folder: Path) -> BuildpackSource:
    if entry.script is not None:
        raise ConfigError(f"{origin}.script: inline buildpacks are not supported yet")
    if entry.optional:
        raise ConfigError(f"{origin}.optional: optional buildpacks are not supported yet")
    if entry.uri:
        return project_buildpack(entry.uri, f"{origin}.uri", folder)
    version = f"@{entry.version}" if entry.version else ""
    return project_buildpack(entry.id + version, f"{origin}.id", folder)
