"""project.toml, the project descriptor of the CNB project: schema versions 0.1, 0.2 and 0.3.

Source: https://github.com/buildpacks/spec/blob/main/extensions/project-descriptor.md
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from locald.config.dotenv import check_variable
from locald.config.errors import ConfigError, key_path, shown, suggestion
from locald.config.toml_file import convert, read_toml

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
    """Who the project is: the table `_`, in schema 0.1 `project`."""

    schema_version: str = ""
    id: str = ""
    name: str = ""
    version: str = ""
    authors: tuple[str, ...] = ()
    documentation_url: str = ""
    source_url: str = ""
    licenses: tuple[License, ...] = ()


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


def read_project_toml(path: Path) -> ProjectToml:
    """Read and check the descriptor. Raises ConfigError."""
    tables = read_toml(path)
    has_io = "io" in tables
    identity = convert(tables.get("_", {}), ProjectMetadata, file=path, at="_")
    version = identity.schema_version
    if not version and not has_io and ("project" in tables or "build" in tables):
        version = "0.1"
    if version and version not in SCHEMA_VERSIONS:
        raise ConfigError(
            f"{shown(path)}: _.schema-version: {version[:20]!r} is not supported",
            hint=f"supported: {', '.join(SCHEMA_VERSIONS)}",
        )
    parsed = _schema_1(tables, path) if version == "0.1" else _schema_2(tables, identity, path)
    _check(parsed, path)
    return parsed


class _Group(msgspec.Struct, frozen=True):
    group: tuple[BuildpackEntry, ...] = ()


class _Env(msgspec.Struct, frozen=True):
    env: tuple[Variable, ...] = ()


class _LegacyEnv(msgspec.Struct, frozen=True):
    build: tuple[Variable, ...] = ()


class _Buildpacks2(msgspec.Struct, frozen=True):
    builder: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    group: tuple[BuildpackEntry, ...] = ()
    pre: _Group = _Group()
    post: _Group = _Group()
    build: _Env = _Env()
    env: _LegacyEnv = _LegacyEnv()


class _Build1(msgspec.Struct, frozen=True):
    builder: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    buildpacks: tuple[BuildpackEntry, ...] = ()
    env: tuple[Variable, ...] = ()


def _schema_1(tables: Mapping[str, object], path: Path) -> ProjectToml:
    identity = convert(tables.get("project", {}), ProjectMetadata, file=path, at="project")
    raw = tables.get("build", {})
    build = convert(raw, _Build1, file=path, at="build")
    _check_patterns(build, "build", path)
    return ProjectToml(
        identity=identity,
        builder=build.builder,
        include=build.include or None,
        exclude=None if build.include else build.exclude,
        group=build.buildpacks,
        env=build.env,
        keys=_keys("build", group="buildpacks", env="env"),
        notes=_unknown_keys(raw, _Build1, "build", path),
    )


def _schema_2(tables: Mapping[str, object], identity: ProjectMetadata, path: Path) -> ProjectToml:
    at = "io.buildpacks"
    io = convert(tables.get("io", {}), dict[str, object], file=path, at="io")
    raw = io.get("buildpacks", {})
    build = convert(raw, _Buildpacks2, file=path, at=at)
    _check_patterns(build, at, path)
    notes = _unknown_keys(raw, _Buildpacks2, at, path)
    if "io" in tables and not identity.schema_version:
        notes += (f"{shown(path)}: _.schema-version is missing; read as 0.2",)
    notes += tuple(
        f"{shown(path)}: [{table}] belongs to schema 0.1 and is ignored"
        for table in ("project", "build")
        if table in tables
    )
    return ProjectToml(
        identity=identity,
        builder=build.builder,
        include=build.include or None,
        exclude=None if build.include else build.exclude,
        group=build.group,
        pre=build.pre.group,
        post=build.post.group,
        env=build.build.env or build.env.build,
        keys=_keys(
            at,
            group="group",
            pre="pre.group",
            post="post.group",
            env="build.env" if build.build.env else "env.build",
        ),
        notes=notes,
    )


def _check_patterns(build: _Build1 | _Buildpacks2, at: str, path: Path) -> None:
    """Both is an error; an empty list beside the other is not (the CNB samples have that)."""
    if build.include and build.exclude:
        raise ConfigError(
            f"{shown(path)}: {at}: cannot have both include and exclude",
            hint="keep one of them",
        )


def _keys(at: str, **renamed: str) -> Mapping[str, str]:
    names = {name: name for name in ("builder", "include", "exclude")} | renamed
    return {field: f"{at}.{name}" for field, name in names.items()}


def _unknown_keys(raw: object, kind: type[msgspec.Struct], at: str, path: Path) -> tuple[str, ...]:
    """The format is not ours and may grow: what we do not know is told, not refused."""
    known = set(kind.__struct_encode_fields__)
    unknown = [key for key in raw if key not in known] if isinstance(raw, Mapping) else []
    notes = []
    for key in unknown:
        help_text = suggestion(str(key), known)
        note = f"{shown(path)}: {key_path(at, str(key))}: unknown key, ignored"
        notes.append(f"{note}; {help_text}" if help_text else note)
    return tuple(notes)


def _check(parsed: ProjectToml, path: Path) -> None:
    """What the types cannot say."""
    for index, variable in enumerate(parsed.env):
        check_variable(
            variable.name,
            variable.value,
            where=f"{shown(path)}: {parsed.keys['env']}[{index}].name",
        )
    for field, entries in (("group", parsed.group), ("pre", parsed.pre), ("post", parsed.post)):
        for index, entry in enumerate(entries):
            _check_entry(entry, f"{shown(path)}: {parsed.keys.get(field, field)}[{index}]")


def _check_entry(entry: BuildpackEntry, where: str) -> None:
    given = [name for name in ("version", "uri", "script") if getattr(entry, name)]
    if len(given) > 1:
        raise ConfigError(
            f"{where}: has {' and '.join(given)}; only one of version, uri and script may be set"
        )
    if not entry.uri and not entry.id:
        raise ConfigError(f"{where}: needs an id or a uri")
