"""The labels that the lifecycle writes into application images, and what they say.

Source: CNB platform specification, "Labels"; older images differ as noted.
"""

from typing import Any, TypeVar

import msgspec

from oci.errors import ImageError
from oci.image import ImageConfig

_T = TypeVar("_T")

LIFECYCLE_METADATA = "io.buildpacks.lifecycle.metadata"
BUILD_METADATA = "io.buildpacks.build.metadata"
PROJECT_METADATA = "io.buildpacks.project.metadata"
REBASABLE = "io.buildpacks.rebasable"
EXEC_ENV = "io.buildpacks.exec-env"


class LayerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A buildpack's layer; `sha` is its diffID."""

    sha: str = ""
    build: bool = False
    launch: bool = False
    cache: bool = False
    data: Any = None


class BuildpackLayers(msgspec.Struct, frozen=True, kw_only=True):
    """The layers of one buildpack in an image."""

    key: str
    version: str = ""
    layers: dict[str, LayerMetadata] = {}


class LayerSha(msgspec.Struct, frozen=True):
    """A layer of the lifecycle's own."""

    sha: str = ""


class RunImageMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The run image that the application image stands on."""

    image: str = ""
    mirrors: tuple[str, ...] = ()
    top_layer: str = msgspec.field(default="", name="topLayer")
    reference: str = ""


class LifecycleMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """`io.buildpacks.lifecycle.metadata`."""

    app: tuple[LayerSha, ...] | None = None
    sbom: LayerSha | None = None
    config: LayerSha | None = None
    launcher: LayerSha | None = None
    process_types: LayerSha | None = msgspec.field(default=None, name="process-types")
    buildpacks: tuple[BuildpackLayers, ...] | None = None
    run_image: RunImageMetadata = msgspec.field(default=RunImageMetadata(), name="runImage")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process type. `command` is a list in new images, text in old ones."""

    type: str
    command: tuple[str, ...] | str = ()
    args: tuple[str, ...] | None = None
    direct: bool = False
    working_dir: str = msgspec.field(default="", name="working-dir")
    buildpack_id: str = msgspec.field(default="", name="buildpackID")

    @property
    def words(self) -> tuple[str, ...]:
        """Command and arguments as one list."""
        command = (self.command,) if isinstance(self.command, str) else self.command
        return (*command, *(self.args or ()))


class UsedBuildpack(msgspec.Struct, frozen=True, kw_only=True):
    """A buildpack that took part in the build."""

    id: str
    version: str = ""
    homepage: str = ""


class BuildMetadataLabel(msgspec.Struct, frozen=True, kw_only=True):
    """`io.buildpacks.build.metadata`."""

    processes: tuple[Process, ...] | None = None
    buildpacks: tuple[UsedBuildpack, ...] | None = None


def lifecycle_metadata(config: ImageConfig, *, origin: str) -> LifecycleMetadata:
    """The image's `io.buildpacks.lifecycle.metadata`; ImageError when it has none."""
    return _read(config, LIFECYCLE_METADATA, LifecycleMetadata, origin)


def build_metadata(config: ImageConfig, *, origin: str) -> BuildMetadataLabel:
    """The image's `io.buildpacks.build.metadata`; ImageError when it has none."""
    return _read(config, BUILD_METADATA, BuildMetadataLabel, origin)


def default_process(config: ImageConfig) -> str:
    """The process type that the image's entry point starts, or "" when it has no default."""
    entrypoint = config.config.entrypoint or ()
    prefix = "/cnb/process/"
    if entrypoint and entrypoint[0].startswith(prefix):
        return entrypoint[0].removeprefix(prefix)
    return ""


def _read(config: ImageConfig, label: str, kind: type[_T], origin: str) -> _T:
    text = config.labels.get(label)
    if not text:
        raise ImageError(
            f"{origin} was not built by buildpacks: it has no label {label}",
            hint="give an image that `locald build` or another CNB platform made",
        )
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(f"{origin}: the label {label} cannot be read: {error}") from error
