"""extend-config.toml: the build arguments that an extension gives to its Dockerfiles.

Source: CNB image extension specification, "extend-config.toml".
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from lifecycle.dockerfile import DockerfileKind
from oci.errors import ImageError

# What the platform itself gives to every Dockerfile.
RESERVED = ("base_image", "build_id", "user_id", "group_id")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Argument(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Table(msgspec.Struct, frozen=True):
    args: tuple[_Argument, ...] = ()


class _Document(msgspec.Struct, frozen=True):
    build: _Table = _Table()
    run: _Table = _Table()


@dataclass(frozen=True)
class ExtendConfig:
    """arguments: for each kind of Dockerfile, name → value."""

    arguments: Mapping[DockerfileKind, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, *, origin: str) -> Self:
        """Raises ImageError that names the key."""
        try:
            document = msgspec.convert(tomllib.loads(data.decode()), _Document)
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise ImageError(f"{origin} cannot be read: {error}") from error
        tables = {DockerfileKind.BUILD: document.build, DockerfileKind.RUN: document.run}
        for kind, table in tables.items():
            for index, argument in enumerate(table.args):
                _check(argument, f"{origin}: {kind}.args[{index}]")
        return cls({kind: {a.name: a.value for a in t.args} for kind, t in tables.items()})

    def for_kind(self, kind: DockerfileKind) -> Mapping[str, str]:
        """The arguments of one kind of Dockerfile."""
        return self.arguments.get(kind, {})


def _check(argument: _Argument, key: str) -> None:
    if argument.name in RESERVED:
        raise ImageError(f"{key}.name: {argument.name} is given by the platform")
    if not _NAME.fullmatch(argument.name):
        raise ImageError(f"{key}.name: not the name of a variable: {argument.name[:50]!r}")
    if "\0" in argument.value:
        raise ImageError(f"{key}.value: holds a NUL character")
