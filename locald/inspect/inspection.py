"""`locald inspect`: everything that an image says about itself, as plain data.

The field names are the keys of `--output json` and `yaml`; they are stable. Sizes are in bytes
and count layers as they are stored and transferred (compressed).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lifecycle.app_image import BASE_OWNER, app_layers
from lifecycle.labels import (
    BUILD_METADATA,
    LIFECYCLE_METADATA,
    PROJECT_METADATA,
    REBASABLE,
    BuildMetadataLabel,
    Process,
    build_metadata,
    default_process,
    lifecycle_metadata,
)
from oci.reference import Reference
from oci.store import StoredImage


class BaseImage(msgspec.Struct, frozen=True, kw_only=True):
    """The run image below the application.

    reference: with its digest, as it was when the image was built. top_layer: a diffID.
    layers: how many of the lowest layers are its.
    """

    name: str
    reference: str
    mirrors: tuple[str, ...]
    top_layer: str
    layers: int
    size_bytes: int


class Buildpack(msgspec.Struct, frozen=True, kw_only=True):
    """A buildpack that took part in the build."""

    id: str
    version: str
    homepage: str


class ProcessType(msgspec.Struct, frozen=True, kw_only=True):
    """One way to start the image: `command` always, `args` unless others are given.

    direct: started without a shell. default: the one that starts when none is named.
    """

    type: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    direct: bool
    default: bool
    working_dir: str
    buildpack: str


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer. made_by: `ID@VERSION` of a buildpack, `run image`, `application` (the source),
    `lifecycle`, or "" when nobody says. name: which of its maker's layers.
    """

    digest: str
    diff_id: str
    size_bytes: int
    media_type: str
    made_by: str
    name: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """An image.

    names: those by which the store, or the given location, knows it.
    source: where in its history the application was (`type`, `version`, `metadata`, as platforms
        write it into io.buildpacks.project.metadata), or null.
    base, buildpacks, processes: null and empty for images that buildpacks did not make.
    layers: lowest first; their sizes add up to `size_bytes`, those above the base's to
        `own_size_bytes`.
    """

    names: tuple[str, ...]
    digest: str
    config_digest: str
    created: str
    platform: str
    built_by_buildpacks: bool
    size_bytes: int
    own_size_bytes: int
    base: BaseImage | None
    rebasable: bool
    buildpacks: tuple[Buildpack, ...]
    processes: tuple[ProcessType, ...]
    user: str
    working_dir: str
    environment: dict[str, str]
    source: dict[str, Any] | None
    labels: dict[str, str]
    layers: tuple[Layer, ...]


def inspect_image(image: StoredImage, names: Sequence[Reference | str]) -> Inspection:
    """Read the documents of an image; its layers need not be there."""
    config = image.config
    origin = str(names[0]) if names else str(image.digest)
    built = LIFECYCLE_METADATA in config.labels
    layers = _layers(image, built=built)
    base = _base(image, layers, origin) if built else None
    build = BuildMetadataLabel()
    if BUILD_METADATA in config.labels:
        build = build_metadata(config, origin=origin)
    size_bytes = sum(layer.size_bytes for layer in layers)
    return Inspection(
        names=tuple(map(str, names)),
        digest=str(image.digest),
        config_digest=image.image.manifest.config.digest,
        created=config.created,
        platform=str(config.platform),
        built_by_buildpacks=built,
        size_bytes=size_bytes,
        own_size_bytes=size_bytes - (base.size_bytes if base is not None else 0),
        base=base,
        # Images of platforms that do not write this label can always be rebased.
        rebasable=built and config.labels.get(REBASABLE, "true") == "true",
        buildpacks=tuple(
            Buildpack(id=b.id, version=b.version, homepage=b.homepage)
            for b in build.buildpacks or ()
        ),
        processes=_processes(build, default_process(config)),
        user=config.config.user,
        working_dir=config.config.working_dir,
        environment=config.config.environment,
        source=_source(config.labels.get(PROJECT_METADATA, "")),
        labels={
            name: text
            for name, text in sorted(config.labels.items())
            if name not in (LIFECYCLE_METADATA, BUILD_METADATA, PROJECT_METADATA)
        },
        layers=layers,
    )


def _layers(image: StoredImage, *, built: bool) -> tuple[Layer, ...]:
    if built:
        made = [(layer.owner, layer.name) for layer in app_layers(image)]
    else:
        made = [("", "")] * len(image.image.manifest.layers)
    return tuple(
        Layer(
            digest=descriptor.digest,
            diff_id=diff_id,
            size_bytes=descriptor.size,
            media_type=descriptor.media_type,
            made_by=owner,
            name=name,
        )
        for descriptor, diff_id, (owner, name) in zip(
            image.image.manifest.layers, image.config.rootfs.diff_ids, made, strict=True
        )
    )


def _base(image: StoredImage, layers: Sequence[Layer], origin: str) -> BaseImage:
    run_image = lifecycle_metadata(image.config, origin=origin).run_image
    own = [layer for layer in layers if layer.made_by == BASE_OWNER]
    return BaseImage(
        name=run_image.image,
        reference=run_image.reference,
        mirrors=run_image.mirrors,
        top_layer=run_image.top_layer,
        layers=len(own),
        size_bytes=sum(layer.size_bytes for layer in own),
    )


def _processes(build: BuildMetadataLabel, default: str) -> tuple[ProcessType, ...]:
    processes = build.processes or ()
    known = {process.type for process in processes}
    if default not in known:
        default = "web" if "web" in known else ""
    return tuple(_process(process, is_default=process.type == default) for process in processes)


def _process(process: Process, *, is_default: bool) -> ProcessType:
    command = (process.command,) if isinstance(process.command, str) else process.command
    return ProcessType(
        type=process.type,
        command=command,
        args=process.args or (),
        direct=process.direct,
        default=is_default,
        working_dir=process.working_dir,
        buildpack=process.buildpack_id,
    )


def _source(label: str) -> dict[str, Any] | None:
    try:
        document = msgspec.json.decode(label or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    source = document.get("source")
    return source if isinstance(source, dict) and source else None
