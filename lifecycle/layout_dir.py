"""The layout directory of one build: the images that the lifecycle reads, and where it writes.

The run image and the previous image go in without their layers: the lifecycle needs their
manifests and configurations only, and it would decompress every layer that it finds. Of the
previous image it reads one layer, the bill of materials.
"""

from pathlib import Path

from lifecycle.inputs import APP_IMAGE, PREVIOUS_IMAGE
from lifecycle.labels import lifecycle_metadata
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import Descriptor
from oci.layout import Layout
from oci.reference import Reference, layout_subpath
from oci.store import StoredImage


def place_run_image(layout_dir: Path, name: Reference, stored: StoredImage) -> None:
    """Let the lifecycle find the run image under its name."""
    _place(layout_dir, name, stored)


def place_previous_image(layout_dir: Path, stored: StoredImage) -> None:
    """Let the lifecycle find the image that an earlier build made, with its SBOM layer."""
    layout = _place(layout_dir, PREVIOUS_IMAGE, stored)
    sbom = sbom_layer(stored)
    if sbom is not None and stored.layout.has_blob(sbom):
        layout.blob_path(sbom).symlink_to(stored.layout.blob_path(sbom))


def exported_layout(layout_dir: Path) -> Layout:
    """Where the exporter writes the image."""
    return Layout(layout_dir / layout_subpath(APP_IMAGE))


def sbom_layer(stored: StoredImage) -> Digest | None:
    """The digest of the stored layer that holds the bill of materials, if the image has one."""
    try:
        metadata = lifecycle_metadata(stored.config, origin=str(stored.reference))
    except ImageError:
        return None
    if metadata.sbom is None:
        return None
    descriptor = layer_of_diff_id(stored, metadata.sbom.sha)
    return None if descriptor is None else descriptor.parsed_digest()


def layer_of_diff_id(stored: StoredImage, diff_id: str) -> Descriptor | None:
    """The stored layer whose uncompressed content has this digest."""
    pairs = zip(stored.config.rootfs.diff_ids, stored.image.manifest.layers, strict=True)
    return next((descriptor for found, descriptor in pairs if found == diff_id), None)


def _place(layout_dir: Path, name: Reference, stored: StoredImage) -> Layout:
    layout = Layout.create(layout_dir / layout_subpath(name))
    image = stored.image
    layout.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
    return layout
