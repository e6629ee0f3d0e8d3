"""The form of an image that umoci 0.4.7 can unpack.

It knows neither zstd nor the media types of Docker's schema 2. The image itself stays as it is in
the store, digest and all, so that a pin, a signature or a push still mean what they did; what
umoci gets is a copy of the documents, with layers that are decompressed and nothing else.
"""

import hashlib
from pathlib import Path

import msgspec

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.image import (
    OCI_CONFIG,
    OCI_EQUIVALENT,
    OCI_LAYER_GZIP,
    OCI_LAYER_TAR,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
)
from oci.layer_content import DAMAGE, layer_type, open_layer
from oci.layout import Layout, LayoutImage

_CHUNK_BYTES = 1 << 20


def umoci_takes(image: LayoutImage) -> bool:
    """Is it in image-spec's types and compressed in a way that is older than zstd?"""
    manifest = image.manifest
    return (
        image.media_type == OCI_MANIFEST
        and manifest.media_type in ("", OCI_MANIFEST)
        and manifest.config.media_type == OCI_CONFIG
        and all(layer.media_type in (OCI_LAYER_TAR, OCI_LAYER_GZIP) for layer in manifest.layers)
    )


def for_umoci(layout: Layout, image: LayoutImage, folder: Path) -> Layout:
    """A layout that umoci and every other tool takes: `layout`, or a copy of it in `folder`, which
    is made then. The layers must have been looked through."""
    if umoci_takes(image):
        return layout
    copy = Layout.create(folder)
    layers = tuple(
        _layer(layout, copy, descriptor, Digest.parse(diff_id))
        for descriptor, diff_id in zip(
            image.manifest.layers, image.config.rootfs.diff_ids, strict=True
        )
    )
    config = Descriptor(
        media_type=OCI_CONFIG,
        digest=image.manifest.config.digest,
        size=image.manifest.config.size,
    )
    manifest = Manifest(schema_version=2, media_type=OCI_MANIFEST, config=config, layers=layers)
    copy.write(msgspec.json.encode(manifest), image.config_bytes)
    return copy


def _layer(layout: Layout, copy: Layout, layer: Descriptor, diff_id: Digest) -> Descriptor:
    kind = layer_type(layer.media_type, layer=layer.parsed_digest().short)
    if kind != OCI_LAYER_ZSTD:
        digest = layer.parsed_digest()
        if not copy.has_blob(digest):
            copy.blob_path(digest).symlink_to(layout.blob_path(digest).absolute())
        media_type = OCI_EQUIVALENT.get(layer.media_type, layer.media_type)
        return Descriptor(media_type=media_type, digest=layer.digest, size=layer.size)
    # Uncompressed a layer's digest is its diffID.
    target = copy.blob_path(diff_id)
    if not target.exists():
        _decompress(layout.blob_path(layer.parsed_digest()), target, diff_id)
    return Descriptor(media_type=OCI_LAYER_TAR, digest=str(diff_id), size=target.stat().st_size)


def _decompress(source: Path, target: Path, diff_id: Digest) -> None:
    hasher = hashlib.sha256()
    try:
        with open_layer(source, OCI_LAYER_ZSTD) as content, target.open("xb") as file:
            while data := content.read(_CHUNK_BYTES):
                check_cancelled()
                hasher.update(data)
                file.write(data)
    except DAMAGE as error:
        raise ImageError(f"the layer {source.name[:12]} is damaged: {error}") from error
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from error
    if hasher.hexdigest() != diff_id.hex:
        raise ImageError(f"the layer {source.name[:12]} does not hold what the image says")
