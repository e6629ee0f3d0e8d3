"""The TOML files that the platform and the lifecycle hand each other.

What the lifecycle or a buildpack wrote is foreign: it is read without following links, and
only up to a size.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import tomli_w

from lifecycle.module import OrderEntry
from oci.errors import ImageError
from oci.plain_file import read_plain_file
from oci.reference import Reference

_T = TypeVar("_T")

_MAX_DOCUMENT_BYTES = 1 << 20


class GroupBuildpack(msgspec.Struct, frozen=True, kw_only=True):
    """A buildpack that passed detection, from group.toml."""

    id: str
    version: str = ""
    homepage: str = ""
    api: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """group.toml."""

    group: tuple[GroupBuildpack, ...] = ()
    group_extensions: tuple[GroupBuildpack, ...] = msgspec.field(
        default=(), name="group-extensions"
    )


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """Something that buildpacks required, from plan.toml."""

    name: str


class PlanEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who provides what; the same name once for each that required it."""

    providers: tuple[GroupBuildpack, ...] = ()
    requires: tuple[Requirement, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """plan.toml."""

    entries: tuple[PlanEntry, ...] = ()


class BuildProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process type that the buildpacks define, from metadata.toml."""

    type: str
    default: bool = False


class BuildMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """config/metadata.toml in the layers directory, written by the build phase."""

    processes: tuple[BuildProcess, ...] = ()


class _AnalyzedRunImage(msgspec.Struct, frozen=True, kw_only=True):
    image: str = ""
    reference: str = ""


class _Analyzed(msgspec.Struct, frozen=True, kw_only=True):
    run_image: _AnalyzedRunImage = msgspec.field(default=_AnalyzedRunImage(), name="run-image")


@dataclass(frozen=True, kw_only=True)
class SourceMetadata:
    """project-metadata.toml: where the source came from."""

    type: str = ""
    version: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None


def write_run_toml(path: Path, images: Iterable[tuple[Reference, tuple[str, ...]]]) -> None:
    """run.toml: (run image, its mirrors), the chosen one first: the exporter takes the first."""
    document = {
        "images": [
            {"image": str(image), **({"mirrors": list(mirrors)} if mirrors else {})}
            for image, mirrors in images
        ]
    }
    path.write_bytes(tomli_w.dumps(document).encode())


def write_order_toml(
    path: Path, order: Iterable[OrderEntry], extensions: Iterable[OrderEntry] = ()
) -> None:
    """order.toml: the groups of buildpacks, and those of extensions."""
    document: dict[str, Any] = {"order": [msgspec.to_builtins(entry) for entry in order]}
    groups = [msgspec.to_builtins(entry) for entry in extensions]
    if groups:
        document["order-extensions"] = groups
    path.write_bytes(tomli_w.dumps(document).encode())


def write_project_metadata(path: Path, source: SourceMetadata) -> None:
    """project-metadata.toml."""
    table: dict[str, Any] = {}
    if source.type:
        table["type"] = source.type
    if source.version:
        table["version"] = dict(source.version)
    if source.metadata:
        table["metadata"] = dict(source.metadata)
    path.write_bytes(tomli_w.dumps({"source": table} if table else {}).encode())


def read_group(layers: Path) -> Group:
    """group.toml of a finished detection."""
    return _read_as(layers, "group.toml", Group)


def read_plan(layers: Path) -> Plan:
    """plan.toml of a finished detection."""
    return _read_as(layers, "plan.toml", Plan)


def read_build_metadata(layers: Path) -> BuildMetadata:
    """metadata.toml of a finished build."""
    return _read_as(layers, "config/metadata.toml", BuildMetadata)


def read_analyzed_run_image(layers: Path) -> str:
    """The run image that analyzed.toml names; another one after an extension switched it."""
    run_image = _read_as(layers, "analyzed.toml", _Analyzed).run_image
    return run_image.image or run_image.reference


def _read_as(layers: Path, name: str, kind: type[_T]) -> _T:
    try:
        text = read_plain_file(layers, name, max_bytes=_MAX_DOCUMENT_BYTES).decode()
        return msgspec.convert(tomllib.loads(text), kind)
    except OSError as error:
        raise ImageError(f"the build left no usable {name}: {error.strerror}") from error
    except ImageError as error:
        raise ImageError(f"the build left a {name} that is no plain small file") from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ImageError(f"the build left a {name} that cannot be read: {error}") from error
