"""Every value of a request and the place it came from, for people and programs to read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath

import msgspec

from lifecycle.inline_buildpack import InlineBuildpack
from locald.config.ignore_file import IgnoreFile
from locald.config.module_source import ModuleEntry
from locald.config.modules import LifecycleEntry
from locald.config.request import BuildRequest

HIDDEN = "(hidden)"
DEFAULT = "default"

_NOT_SHOWN = frozenset(
    {
        "service", "notes", "origins", "source_rules.where", "source_rules.own",
        "registries.patience",
    }
)  # fmt: skip
# Field of the request → the key of a file, else the flag, that it is known by.
_NAMES = {
    "app_dir": "folder",
    "project_dir": "project_folder",
    "project_name": "project",
    "names": "tags",
    "run_image_mirrors": "run-image-mirrors",
    "registries.auth_file": "authfile",
    "registries.insecure": "insecure-registries",
    "registries.mirrors": "registry-mirrors",
    "modules.order": "buildpacks",
    "modules.system": "system_buildpacks",
    "mounts.missing_secrets": "missing_secrets",
    "limits.disk": "max_disk",
    "process_type": "process",
    "caching.clear": "clear_cache",
    "caching.folder": "cache",
    "caching.image": "cache_image",
    "caching.sources": "cache_from",
    "outputs": "output",
    "artifacts.sbom_dir": "sbom_output_dir",
    "artifacts.report_dir": "report_output_dir",
}
# Where its origin is kept, when that is neither its name nor the field's own.
_ORIGINS = {
    "app_dir": "",
    "project_dir": "",
    "source_rules.include": "source_rules",
    "source_rules.exclude": "source_rules",
    "source_rules.cnbignore": "source_rules",
    "modules.system": "system",
}
# Lists of which each element has an origin of its own, and what tells them apart.
_ELEMENTS = {"mounts.volumes": "target", "mounts.bindings": "name", "mounts.secrets": "id"}
# What nothing means, where that is not plain.
_UNSET = {
    "run_image": "the builder's",
    "previous_image": "the image that is replaced",
    "authfile": "podman's and docker's",
    "buildpacks": "the builder's order",
    "extensions": "the builder's",
    "lifecycle": "the builder's",
    "exclude": "what no build needs",
    "runtime": "auto",
    "workspace": "workspace",
    "uid": "the builder's",
    "gid": "the builder's",
    "creation_time": "a constant",
    "timeout_seconds": "none",
    "memory": "none",
    "max_disk": "none",
    "pids": "none",
    "process": "the buildpacks'",
    "cache": "one for each project",
    "output": "podman's storage",
    "ca_cert": "the host's",
    "if_changed": "no",
}
# A variable whose name says this holds what nobody should read over a shoulder.
_CREDENTIAL = re.compile(
    r"passw|passphrase|secret|token|credential|auth|(?:^|_|api)(?:key|pat|pwd)(?:_|$)",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"//[^/?#\s]*@")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """value: plain data (texts, numbers, lists, tables), None where nothing was said.

    unset: what happens then. origin: a flag, or file and key.
    """

    name: str
    value: object
    origin: str
    unset: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The value as people read it, at least one line."""
        match self.value:
            case None | [] | "":
                return (self.unset or "-",)
            case dict() as table if not table:
                return (self.unset or "-",)
            case list() as items:
                return tuple(map(_text, items))
            case dict() as table:
                return tuple(f"{key} = {_text(item)}" for key, item in table.items())
            case other:
                return (_text(other),)


def settings(request: BuildRequest) -> tuple[Setting, ...]:
    """All of them, in the request's order; one for each variable."""
    return tuple(_settings(request, "", request.origins))


def _settings(part: object, prefix: str, origins: Mapping[str, str]) -> Iterator[Setting]:
    assert is_dataclass(part)
    for field in fields(part):
        path = prefix + field.name
        value = getattr(part, field.name)
        if path in _NOT_SHOWN:
            continue
        if path == "env":
            yield from _variables(value, origins)
        elif path in _ELEMENTS and value:
            yield from _elements(field.name, value, _ELEMENTS[path], origins)
        elif is_dataclass(value) and not _prints_itself(value) and prefix == "":
            yield from _settings(value, f"{path}.", origins)
        else:
            name = _NAMES.get(path, field.name)
            origin = origins.get(_ORIGINS.get(path, field.name), origins.get(name, DEFAULT))
            plain = _plain(value)
            if plain in (None, [], {}) and path in _ORIGINS:
                origin = DEFAULT  # something else of the same origin was said
            yield Setting(name=name, value=plain, origin=origin, unset=_UNSET.get(name, ""))


def _elements(
    name: str, values: Iterable[object], key: str, origins: Mapping[str, str]
) -> Iterator[Setting]:
    for value in values:
        full = f"{name}.{getattr(value, key)}"
        plain = _plain(value)
        if isinstance(plain, dict):
            plain = {k: v for k, v in plain.items() if k not in (key, "origin") and v is not None}
        yield Setting(name=full, value=plain, origin=origins.get(full, DEFAULT))


def _variables(env: Mapping[str, str], origins: Mapping[str, str]) -> Iterator[Setting]:
    for name, value in sorted(env.items()):
        shown = HIDDEN if _CREDENTIAL.search(name) else _USER_IN_URL.sub("//", value)
        key = f"env.{name}"
        yield Setting(name=key, value=shown, origin=origins.get(key, DEFAULT))


def _plain(value: object) -> object:
    """As JSON has it."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return _plain(value.value)
        case PurePath():
            return str(value)
        case str():
            return _USER_IN_URL.sub("//", value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(str(_plain(item)) for item in value)
        case ModuleEntry() | LifecycleEntry():
            return _plain(value.source)
        case InlineBuildpack():
            return f"{value.id}@{value.version} (inline)"
        case IgnoreFile():
            return value.label
        case msgspec.Struct():
            table = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
            return {name: item for name, item in table.items() if item not in (None, "", [], {})}
        case _ if is_dataclass(value) and not _prints_itself(value):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return _USER_IN_URL.sub("//", str(value))


def _prints_itself(value: object) -> bool:
    """Has it a form that people write?"""
    return type(value).__str__ is not object.__str__


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            said = {key: item for key, item in value.items() if item not in (None, "", [], {})}
            return " ".join(f"{key}={_text(item)}" for key, item in said.items())
        case list():
            return ", ".join(map(_text, value))
        case _:
            return str(value)
