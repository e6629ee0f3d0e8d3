"""The images of the store, for people and programs."""

import msgspec

from lifecycle.builder import METADATA_LABEL
from lifecycle.labels import LIFECYCLE_METADATA
from locald.care.remakeable import remakeable
from oci.layout import Layout
from oci.store_contents import KeptImage, StoreContents


class ListedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image. names: may be empty: then `locald images prune` deletes it.

    kind: application, builder, intermediate (what locald can make again), image, or damaged.
    size_bytes: of its blobs on the disk; own_bytes: of those that no other image has. whole: are
    all layers here? used: seconds since the epoch. project, branch: of what was built here.
    """

    names: tuple[str, ...]
    digest: str
    platform: str
    kind: str
    size_bytes: int
    own_bytes: int
    unpacked_bytes: int
    whole: bool
    used: float
    source: str
    project: str
    branch: str


def listed_images(contents: StoreContents) -> tuple[ListedImage, ...]:
    """Every image, named ones first, by name."""
    unpacked: dict[str, int] = {}
    for root in contents.roots:
        unpacked[root.image] = unpacked.get(root.image, 0) + root.size_bytes
    found = (_listed(image, contents, unpacked.get(image.hex, 0)) for image in contents.images)
    return tuple(sorted(found, key=lambda one: (not one.names, one.names, one.used)))


def _listed(image: KeptImage, contents: StoreContents, unpacked_bytes: int) -> ListedImage:
    record = next((name.record for name in image.names if name.record is not None), None)
    config = image.image.config if image.image is not None else None
    return ListedImage(
        names=tuple(name.text for name in image.names),
        digest=f"sha256:{image.hex}",
        platform="" if config is None else str(config.platform),
        kind=_kind(image),
        size_bytes=contents.blob_bytes((image,)),
        own_bytes=contents.alone_bytes(image),
        unpacked_bytes=unpacked_bytes,
        whole=image.image is not None and not _lacks_layers(image.layout, image),
        used=image.used,
        source="" if record is None else record.source,
        project="" if record is None else record.project,
        branch="" if record is None else record.branch,
    )


def _lacks_layers(layout: Layout, image: KeptImage) -> bool:
    return image.image is not None and bool(layout.missing_layers(image.image))


def _kind(image: KeptImage) -> str:
    if image.image is None:
        return "damaged"
    labels = image.image.config.labels
    if METADATA_LABEL in labels:
        return "builder"
    if LIFECYCLE_METADATA in labels:
        return "application"
    own = (name.reference for name in image.names)
    if image.names and all(name is not None and remakeable(name) for name in own):
        return "intermediate"
    return "image"
