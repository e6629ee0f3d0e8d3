"""Puts right what the exporter leaves in a layout.

It mixes OCI's and Docker's media types, gives the manifest none, and names the run image by its
path in the layout directory. The documents are edited, their digests computed anew; the layers
stay as they are.
"""

from typing import Any

import msgspec

from lifecycle.labels import LIFECYCLE_METADATA
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout, LayoutImage
from oci.reference import Reference


def put_right(layout: Layout, *, run_image: Reference, run_image_digest: Digest) -> LayoutImage:
    """Make the exported image standard; returns it as it is afterwards."""
    _check_blobs(layout)

    def edit_config(config: dict[str, Any]) -> None:
        labels = config.setdefault("config", {}).setdefault("Labels", {})
        if LIFECYCLE_METADATA not in labels:
            raise ImageError(f"the exported image has no label {LIFECYCLE_METADATA}")
        metadata = msgspec.json.decode(labels[LIFECYCLE_METADATA])
        described = metadata.setdefault("runImage", {})
        described["image"] = str(run_image)
        described["reference"] = str(run_image.with_digest(run_image_digest))
        labels[LIFECYCLE_METADATA] = msgspec.json.encode(metadata).decode()

    return layout.rewrite(edit_config)


def _check_blobs(layout: Layout) -> None:
    """Every layer that is there has the size and the digest that the manifest promises."""
    for layer in layout.read().manifest.layers:
        digest = layer.parsed_digest()
        path = layout.blob_path(digest)
        if not path.is_file():
            continue  # unchanged: the store has it, or the run image's registry
        if path.stat().st_size != layer.size or Digest.of_file(path) != digest:
            raise ImageError(f"the exporter left a damaged layer: {digest}")
