"""Every value of a request and the place it came from, for people and programs to read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath

import msgspec

from locald.config.request import BuildRequest

HIDDEN = "(hidden)"
DEFAULT = "default"

_NOT_SHOWN = frozenset({"service", "notes", "origins", "source_rules.where", "registries.patience"})
# Field of the request → the key of locald.toml or the flag that it is known by.
_NAMES = {
    "app_dir": "folder",
    "project_name": "project",
    "names": "tags",
    "process_type": "process",
    "outputs": "output",
    "modules.order": "buildpacks",
    "source_rules.include": "include",
    "source_rules.exclude": "exclude",
    "caching.clear": "clear_cache",
    "caching.folder": "cache",
    "caching.image": "cache_image",
    "caching.sources": "cache_from",
    "artifacts.report": "report",
    "timeout_seconds": "timeout",
}
_ORIGINS = {
    "modules.order": "buildpacks",
    "source_rules.include": "source_rules",
    "source_rules.exclude": "source_rules",
    "app_dir": "",
}
# What nothing means, where that is not plain.
_UNSET = {
    "run_image": "the builder's",
    "previous_image": "the image that is replaced",
    "buildpacks": "the builder's order",
    "exclude": "what no build needs",
    "runtime": "auto",
    "process": "the buildpacks'",
    "output": "podman's storage",
    "cache": "one for each project",
    "ca_cert": "the host's",
}
# A variable whose name says this holds what nobody should read over a shoulder.
_CREDENTIAL = re.compile(
    r"passw|passphrase|secret|token|credential|auth|(?:^|_)(?:key|pat|pwd)", re.IGNORECASE
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
            case None | [] | {}:
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
        elif is_dataclass(value) and not _prints_itself(value):
            yield from _settings(value, f"{path}.", origins)
        else:
            name = _NAMES.get(path, field.name)
            origin = origins.get(_ORIGINS.get(path, field.name), origins.get(name, DEFAULT))
            yield Setting(name=name, value=_plain(value), origin=origin, unset=_UNSET.get(name, ""))


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
