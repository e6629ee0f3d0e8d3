"""Forms of an image for tools that do not know all of image-spec.

umoci 0.4.7 knows neither zstd nor the media types of Docker's schema 2, and it fails at what it
does not like in a configuration (a variable without `=`, a user that is not in /etc/passwd), of
which it makes a config.json that nobody here uses. skopeo 1.9.3 writes no archive of `docker load`
from layers in zstd.

The image itself stays as it is in the store, digest and all, so that a pin, a signature or a push
still mean what they did. The tools get documents made for them, and layers that are linked, or
decompressed where that is needed.
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
    OCI_LAYER_TAR,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
)
from oci.layer_content import DAMAGE, layer_type, open_layer
from oci.layout import Layout, LayoutImage

_CHUNK_BYTES = 1 << 20


def for_umoci(layout: Layout, image: LayoutImage, folder: Path) -> Layout:
    """A layout, in `folder`, which is made, of the image's layers and nothing else of it. It needs
    the blobs of `layout`, whose layers must have been looked through."""
    config = {
        "architecture": image.config.architecture,
        "os": image.config.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": image.config.rootfs.diff_ids},
    }
    return _plain(layout, image, folder, msgspec.json.encode(config))


def has_zstd(image: LayoutImage) -> bool:
    """Is a layer compressed by zstd?"""
    return any(
        OCI_EQUIVALENT.get(layer.media_type, layer.media_type) == OCI_LAYER_ZSTD
        for layer in image.manifest.layers
    )


def without_zstd(layout: Layout, image: LayoutImage, folder: Path) -> Layout:
    """The same image in another form, else as `for_umoci`."""
    return _plain(layout, image, folder, image.config_bytes)


def _plain(layout: Layout, image: LayoutImage, folder: Path, config: bytes) -> Layout:
    made = Layout.create(folder)
    layers = tuple(
        _layer(layout, made, descriptor, Digest.parse(diff_id))
        for descriptor, diff_id in zip(
            image.manifest.layers, image.config.rootfs.diff_ids, strict=True
        )
    )
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=Descriptor(media_type=OCI_CONFIG, digest=str(Digest.of(config)), size=len(config)),
        layers=layers,
    )
    made.write(msgspec.json.encode(manifest), config)
    return made


def _layer(layout: Layout, made: Layout, layer: Descriptor, diff_id: Digest) -> Descriptor:
    kind = layer_type(layer.media_type, layer=layer.parsed_digest().short)
    if kind != OCI_LAYER_ZSTD:
        digest = layer.parsed_digest()
        if not made.has_blob(digest):
            made.blob_path(digest).symlink_to(layout.blob_path(digest).absolute())
        media_type = OCI_EQUIVALENT.get(layer.media_type, layer.media_type)
        return Descriptor(media_type=media_type, digest=layer.digest, size=layer.size)
    # Uncompressed a layer's digest is its diffID.
    target = made.blob_path(diff_id)
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
