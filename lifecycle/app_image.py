"""The layers of an image that buildpacks made: which are the run image's, which are whose."""

import re
from dataclasses import dataclass

from lifecycle.labels import LifecycleMetadata, lifecycle_metadata
from oci.digest import Digest
from oci.durable import intact
from oci.errors import ImageError
from oci.image import Descriptor, ImageConfig
from oci.store import StoredImage

BASE_OWNER = "run image"

# As the lifecycle's extender writes it into the history.
_BY_EXTENSION = re.compile(r"Layer: '(?P<name>.*)', Created by extension: (?P<id>\S+)")


@dataclass(frozen=True, kw_only=True)
class AppLayer:
    """A layer of an application image.

    owner: `id@version` of a buildpack or an image extension, "run image", or a part of the
        lifecycle's own.
    name: the layer's name within its owner, or "".
    """

    descriptor: Descriptor
    diff_id: str
    owner: str
    name: str


def app_layers(stored: StoredImage) -> tuple[AppLayer, ...]:
    """Every layer, lowest first, with who made it. ImageError when no buildpacks built it."""
    metadata = lifecycle_metadata(stored.config, origin=str(stored.reference))
    owners = {**_extension_owners(stored.config), **_owners(metadata)}
    base = base_diff_ids(stored.config, metadata)
    layers = []
    pairs = zip(stored.config.rootfs.diff_ids, stored.image.manifest.layers, strict=True)
    for index, (diff_id, descriptor) in enumerate(pairs):
        owner, name = (BASE_OWNER, "") if index < base else owners.get(diff_id, ("", ""))
        layers.append(AppLayer(descriptor=descriptor, diff_id=diff_id, owner=owner, name=name))
    return tuple(layers)


def base_diff_ids(config: ImageConfig, metadata: LifecycleMetadata) -> int:
    """How many of the lowest layers are the run image's."""
    diff_ids = config.rootfs.diff_ids
    top = metadata.run_image.top_layer
    return diff_ids.index(top) + 1 if top in diff_ids else 0


def sbom_layer(stored: StoredImage) -> Digest | None:
    """The digest of the stored layer that holds the bill of materials, if the image has one."""
    try:
        metadata = lifecycle_metadata(stored.config, origin=str(stored.reference))
    except ImageError:
        return None
    sha = metadata.sbom.sha if metadata.sbom is not None else ""
    pairs = zip(stored.config.rootfs.diff_ids, stored.image.manifest.layers, strict=True)
    return next((d.parsed_digest() for diff_id, d in pairs if diff_id == sha), None)


def reusable(stored: StoredImage) -> bool:
    """Can a build reuse this image's layers: did buildpacks make it, and is each of its own
    layers still whole in the store? (Those of the run image need not be.)"""
    try:
        layers = app_layers(stored)
    except ImageError:
        return False
    return all(_is_there(stored, layer.descriptor) for layer in layers if layer.owner != BASE_OWNER)


def _is_there(stored: StoredImage, layer: Descriptor) -> bool:
    digest = layer.parsed_digest()
    return intact(stored.layout.blob_path(digest), digest, layer.size)


def _extension_owners(config: ImageConfig) -> dict[str, tuple[str, str]]:
    """The layers of image extensions: only the history tells of them."""
    history = [entry for entry in config.history or () if not entry.empty_layer]
    diff_ids = config.rootfs.diff_ids
    if len(history) != len(diff_ids):
        return {}
    made = (
        (diff_id, _BY_EXTENSION.fullmatch(entry.created_by))
        for diff_id, entry in zip(diff_ids, history, strict=True)
    )
    return {diff_id: (found["id"], found["name"]) for diff_id, found in made if found}


def _owners(metadata: LifecycleMetadata) -> dict[str, tuple[str, str]]:
    owners: dict[str, tuple[str, str]] = {}
    for index, layer in enumerate(metadata.app or ()):
        owners[layer.sha] = ("application", f"slice {index + 1}" if index else "")
    own_parts = {
        "sbom": metadata.sbom,
        "config": metadata.config,
        "launcher": metadata.launcher,
        "process types": metadata.process_types,
    }
    for name, part in own_parts.items():
        if part is not None and part.sha:
            owners[part.sha] = ("lifecycle", name)
    for buildpack in metadata.buildpacks or ():
        owner = f"{buildpack.key}@{buildpack.version}" if buildpack.version else buildpack.key
        for name, made in buildpack.layers.items():
            if made.sha:
                owners[made.sha] = (owner, name)
    return owners
