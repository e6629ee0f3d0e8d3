"""Looks through a whole image before anything of it is used: its documents, then its layers."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import msgspec

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.idmap import CONTAINER_IDS, IdMap
from oci.image import Descriptor
from oci.layer_content import layer_type
from oci.layer_scan import LayerSummary, ScanLimits, scan_layer
from oci.layout import Layout, LayoutImage
from oci.side_by_side import side_by_side

_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What an image may hold at most. `size_bytes`: of all layers, uncompressed."""

    layer: ScanLimits = field(default_factory=ScanLimits)
    size_bytes: int = 64 << 30
    entries: int = 5_000_000


class ImageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan found, of all layers. largest_uid, largest_gid: of the owners of its files."""

    entries: int
    size_bytes: int
    largest_uid: int
    largest_gid: int

    def check_owners(self, id_map: IdMap, *, origin: str) -> None:
        """Raise ImageError when a file's owner is none that a container can have here."""
        if id_map.single:  # umoci keeps the owners in extended attributes
            return
        for kind, largest in (("user", self.largest_uid), ("group", self.largest_gid)):
            if largest >= CONTAINER_IDS:
                raise ImageError(
                    f"{origin}: a file belongs to the {kind} {largest}, but containers here have "
                    f"the ids 0 to {CONTAINER_IDS - 1} only",
                    hint="give the file another owner in the image",
                )


def check_documents(image: LayoutImage, *, origin: str, limits: ImageLimits | None = None) -> None:
    """Raise ImageError when what an image says of its layers cannot be true."""
    try:
        _check_manifest(image, limits or ImageLimits())
        for text in image.config.rootfs.diff_ids:
            Digest.parse(text)
    except ImageError as error:
        raise ImageError(f"{origin}: {error.message}", hint=error.hint) from error


def check_blobs(layout: Layout, image: LayoutImage, *, origin: str) -> None:
    """Raise ImageError when a layer is not there, is no plain file, or has another size;
    StorageError when that is because our copy was damaged."""
    for layer in image.manifest.layers:
        path = layout.blob_path(layer.parsed_digest())
        try:
            status = path.lstat()
        except FileNotFoundError as error:
            raise ImageError(f"{origin}: the layer {_name(layer)} is missing") from error
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{origin}: the layer {_name(layer)} is no plain file")
        if status.st_size != layer.size:
            wrong = f"has {status.st_size} bytes, the manifest says {layer.size}"
            lie = ImageError(f"the layer {_name(layer)} {wrong}")
            _refuse(path, layer.parsed_digest(), lie, origin)


def scan_image(
    layout: Layout, image: LayoutImage, *, origin: str, limits: ImageLimits | None = None
) -> ImageSummary:
    """Read every layer; raises ImageError, or StorageError for a damaged blob.

    A blob that no longer has its digest is deleted: skopeo would keep it for ever.
    """
    limits = limits or ImageLimits()
    check_documents(image, origin=origin, limits=limits)
    check_blobs(layout, image, origin=origin)
    work = {
        (layer.parsed_digest(), layer.media_type, Digest.parse(diff_id))
        for layer, diff_id in zip(image.manifest.layers, image.config.rootfs.diff_ids, strict=True)
    }
    found: list[LayerSummary] = []

    def scan(item: tuple[Digest, str, Digest]) -> None:
        check_cancelled()
        digest, media_type, diff_id = item
        path = layout.blob_path(digest)
        try:
            found.append(
                scan_layer(path, media_type=media_type, diff_id=diff_id, limits=limits.layer)
            )
        except ImageError as error:
            _refuse(path, digest, error, origin)
        _check_total(found, limits, origin)

    workers = min(_WORKERS, len(os.sched_getaffinity(0)))
    side_by_side(scan, sorted(work, key=lambda item: str(item[0])), workers=workers)
    return ImageSummary(
        entries=sum(layer.entries for layer in found),
        size_bytes=sum(layer.size_bytes for layer in found),
        largest_uid=max((layer.largest_uid for layer in found), default=0),
        largest_gid=max((layer.largest_gid for layer in found), default=0),
    )


def _refuse(path: Path, digest: Digest, error: ImageError, origin: str) -> NoReturn:
    """Is it the image that is wrong, or our copy of the layer?"""
    if Digest.of_file(path) == digest:
        raise ImageError(f"{origin}: {error.message}", hint=error.hint) from error
    path.unlink(missing_ok=True)
    raise StorageError(
        f"the layer {digest.short} of {origin} was damaged in the store",
        hint="run the same again: it will be fetched anew",
    ) from error


def _check_total(found: Iterable[LayerSummary], limits: ImageLimits, origin: str) -> None:
    seen = tuple(found)
    if sum(layer.size_bytes for layer in seen) > limits.size_bytes:
        raise ImageError(f"{origin}: it holds more than {limits.size_bytes} bytes uncompressed")
    if sum(layer.entries for layer in seen) > limits.entries:
        raise ImageError(f"{origin}: it has more than {limits.entries} entries")


def _name(layer: Descriptor) -> str:
    return layer.parsed_digest().short


def _check_manifest(image: LayoutImage, limits: ImageLimits) -> None:
    manifest = image.manifest
    if manifest.schema_version != 2:
        raise ImageError(f"the manifest has the schema version {manifest.schema_version}")
    if manifest.media_type and manifest.media_type != image.media_type:
        raise ImageError(
            f"the manifest says that it is {manifest.media_type[:100]!r}, "
            f"the index says {image.media_type[:100]!r}"
        )
    if image.config.rootfs.type != "layers":
        raise ImageError(f"the root filesystem is of type {image.config.rootfs.type[:100]!r}")
    for variable in image.config.config.env or ():
        if not variable.partition("=")[0] or "\0" in variable:
            raise ImageError(f"the configuration has a variable without a name: {variable[:60]!r}")
    sizes: dict[str, int] = {}
    for layer in manifest.layers:
        layer_type(layer.media_type, layer=_name(layer))
        if sizes.setdefault(layer.digest, layer.size) != layer.size:
            raise ImageError(f"the layer {_name(layer)} has two sizes in the manifest")
    if sum(sizes.values()) > limits.size_bytes:
        raise ImageError(f"its layers are larger than {limits.size_bytes} bytes")
