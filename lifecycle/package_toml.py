"""package.toml beside a composite buildpack: where what it needs comes from.

Source: buildpacks.io, "package.toml", and pack's reader.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lifecycle.toml_document import read_toml
from oci.errors import UsageError

FILE_NAME = "package.toml"


class _Source(msgspec.Struct, frozen=True):
    uri: str = ""


class _Dependency(msgspec.Struct, frozen=True):
    uri: str = ""
    image: str = ""


class _PackageToml(msgspec.Struct, frozen=True):
    buildpack: _Source = _Source()
    dependencies: tuple[_Dependency, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PackageDependency:
    """text: a path, a URL or an image's location. key: file and key, for messages."""

    text: str
    key: str


def read_dependencies(folder: Path) -> tuple[PackageDependency, ...]:
    """What the package.toml of a buildpack's folder lists; empty without one."""
    file = folder / FILE_NAME
    if not os.path.lexists(file):
        return ()
    document = read_toml(file, _PackageToml, error_type=UsageError)
    found = []
    for index, entry in enumerate(document.dependencies):
        key = f"{file}: dependencies[{index}]"
        if bool(entry.uri) == bool(entry.image):
            raise UsageError(f"{key}: give one of uri and image")
        text = entry.uri or f"docker://{entry.image.removeprefix('docker://')}"
        found.append(PackageDependency(text=text, key=key))
    return tuple(found)
