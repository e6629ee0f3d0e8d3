"""How project.toml is read: what each schema version has where, and what is wrong in a file.

Where the specification is silent, or not kept by anybody, this does what pack does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from locald.config.dotenv import check_variable
from locald.config.errors import ConfigError, key_path, shown, suggestion
from locald.config.project_toml import (
    SCHEMA_VERSIONS,
    BuildpackEntry,
    License,
    ProjectMetadata,
    ProjectToml,
    Script,
    Variable,
)
from locald.config.toml_file import convert, read_toml

_Filtered = TypeVar("_Filtered", BuildpackEntry, Variable)

_FILTERS_SINCE = "0.3"


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


def read_project_toml(path: Path) -> ProjectToml:
    """Read and check the descriptor. Raises ConfigError."""
    tables = read_toml(path)
    identity = convert(tables.get("_", {}), ProjectMetadata, file=path, at="_")
    version = identity.schema_version
    if not version and "io" not in tables and ("project" in tables or "build" in tables):
        version = "0.1"
    if version and version not in SCHEMA_VERSIONS:
        raise ConfigError(
            f"{shown(path)}: _.schema-version: {version[:20]!r} is not supported",
            hint=f"supported: {', '.join(SCHEMA_VERSIONS)}",
        )
    parsed = _schema_1(tables, path) if version == "0.1" else _schema_2(tables, identity, path)
    _check(parsed, path)
    return _filtered(parsed, path, honoured=version == _FILTERS_SINCE)


def _schema_1(tables: Mapping[str, object], path: Path) -> ProjectToml:
    identity = convert(tables.get("project", {}), ProjectMetadata, file=path, at="project")
    metadata = convert(tables.get("metadata", {}), dict[str, Any], file=path, at="metadata")
    raw = tables.get("build", {})
    build = convert(raw, _Build1, file=path, at="build")
    _check_patterns(build, "build", path)
    unknown = (
        *_unknown_keys(tables.get("project"), ProjectMetadata, "project"),
        *_unknown_keys(raw, _Build1, "build"),
    )
    return ProjectToml(
        identity=msgspec.structs.replace(identity, metadata=metadata),
        builder=build.builder,
        include=build.include or None,
        exclude=None if build.include else build.exclude,
        group=build.buildpacks,
        env=build.env,
        keys=_keys("build", "project", group="buildpacks", env="env"),
        notes=tuple(f"{shown(path)}: {note}" for note in unknown),
    )


def _schema_2(tables: Mapping[str, object], identity: ProjectMetadata, path: Path) -> ProjectToml:
    at = "io.buildpacks"
    io = convert(tables.get("io", {}), dict[str, object], file=path, at="io")
    raw = io.get("buildpacks", {})
    build = convert(raw, _Buildpacks2, file=path, at=at)
    _check_patterns(build, at, path)
    notes = [
        *_unknown_keys(tables.get("_"), ProjectMetadata, "_"),
        *_unknown_keys(raw, _Buildpacks2, at),
    ]
    if "io" in tables and not identity.schema_version:
        notes.append("_.schema-version is missing; read as 0.2")
    notes += (
        f"[{table}] belongs to schema 0.1 and is ignored"
        for table in ("project", "build")
        if table in tables
    )
    legacy = () if identity.schema_version == _FILTERS_SINCE else build.env.build
    if build.env.build and not legacy:
        notes.append(f"{at}.env.build belongs to schema 0.2 and is ignored; write {at}.build.env")
    return ProjectToml(
        identity=identity,
        builder=build.builder,
        include=build.include or None,
        exclude=None if build.include else build.exclude,
        group=build.group,
        pre=build.pre.group,
        post=build.post.group,
        env=build.build.env or legacy,
        keys=_keys(
            at,
            "_",
            group="group",
            pre="pre.group",
            post="post.group",
            env="env.build" if legacy and not build.build.env else "build.env",
        ),
        notes=tuple(f"{shown(path)}: {note}" for note in notes),
    )


def _keys(at: str, identity: str, **renamed: str) -> Mapping[str, str]:
    names = {name: name for name in ("builder", "include", "exclude")} | renamed
    return {"identity": identity} | {field: f"{at}.{name}" for field, name in names.items()}


def _unknown_keys(raw: object, kind: Any, at: str) -> Iterator[str]:
    """The format is not ours and may grow: what we do not know is told, not refused."""
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            yield from _unknown_keys(item, kind, f"{at}[{index}]")
    if not isinstance(raw, Mapping):
        return
    inner = {
        "group": BuildpackEntry, "buildpacks": BuildpackEntry, "pre": _Group, "post": _Group,
        "build": _Env, "env": _LegacyEnv if kind is _Buildpacks2 else Variable,
        "script": Script, "licenses": License,
    }  # fmt: skip
    known = set(kind.__struct_encode_fields__)
    if kind is _Env:
        inner["env"] = Variable
    if kind is _LegacyEnv:
        inner["build"] = Variable
    for key, value in raw.items():
        if key in known:
            if key in inner:
                yield from _unknown_keys(value, inner[key], f"{at}.{key}")
            continue
        help_text = suggestion(str(key), known)
        note = f"{key_path(at, str(key))}: unknown key, ignored"
        yield f"{note}; {help_text}" if help_text else note


def _check_patterns(build: _Build1 | _Buildpacks2, at: str, path: Path) -> None:
    """Both is an error; an empty list beside the other is not (the CNB samples have that)."""
    if build.include and build.exclude:
        raise ConfigError(
            f"{shown(path)}: {at}: cannot have both include and exclude",
            hint="keep one of them",
        )


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
    for index, one in enumerate(parsed.identity.licenses):
        if not one.type and not one.uri:
            where = f"{shown(path)}: {parsed.keys['identity']}.licenses[{index}]"
            raise ConfigError(f"{where}: needs a type or a uri")


def _check_entry(entry: BuildpackEntry, where: str) -> None:
    # The specification forbids version beside script, too; pack takes it as the script's own.
    given = [name for name in ("version", "script") if getattr(entry, name)]
    if entry.uri and given:
        raise ConfigError(
            f"{where}: has uri and {' and '.join(given)}",
            hint="a buildpack with a uri has its version and its script there",
        )
    if not entry.uri and not entry.id:
        raise ConfigError(f"{where}: needs an id or a uri")


def _filtered(parsed: ProjectToml, path: Path, *, honoured: bool) -> ProjectToml:
    """Filters by execution environment count from schema 0.3 on; before, nobody heeds them."""
    if honoured:
        return parsed
    notes = list(parsed.notes)

    def without(entries: tuple[_Filtered, ...], field: str) -> tuple[_Filtered, ...]:
        kept = []
        for index, entry in enumerate(entries):
            if entry.exec_env:
                notes.append(
                    f"{shown(path)}: {parsed.keys[field]}[{index}].exec-env belongs to schema "
                    f"{_FILTERS_SINCE} and is ignored"
                )
            kept.append(msgspec.structs.replace(entry, exec_env=()) if entry.exec_env else entry)
        return tuple(kept)

    return replace(
        parsed,
        group=without(parsed.group, "group"),
        pre=without(parsed.pre, "pre"),
        post=without(parsed.post, "post"),
        env=without(parsed.env, "env"),
        notes=tuple(notes),
    )
