"""The layout directory of one build: the images that the lifecycle reads, and where it writes.

The run image and the previous image go in without their layers: the lifecycle needs their
manifests and configurations only, and it would decompress every layer that it finds. Of the
previous image it reads one layer, the bill of materials.
"""

import shutil
import stat
from pathlib import Path

from lifecycle.app_image import sbom_layer
from lifecycle.inputs import APP_IMAGE, PREVIOUS_IMAGE
from oci.errors import ImageError
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
        # A copy: small, and the export phase can write where this is.
        shutil.copyfile(stored.layout.blob_path(sbom), layout.blob_path(sbom))


def exported_layout(layout_dir: Path) -> Layout:
    """Where the exporter wrote the image. No part of the way there may be a link: it came from
    the builder, and what we write and move must stay inside."""
    layout = layout_subpath(APP_IMAGE)
    for folder in (*reversed(layout.parents), layout, layout / "blobs", layout / "blobs/sha256"):
        try:
            plain = stat.S_ISDIR((layout_dir / folder).lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            plain = False
        if not plain:
            raise ImageError(f"the exporter left no image layout: {folder} is no folder")
    return Layout(layout_dir / layout)


def _place(layout_dir: Path, name: Reference, stored: StoredImage) -> Layout:
    layout = Layout.create(layout_dir / layout_subpath(name))
    image = stored.image
    layout.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
    return layout
