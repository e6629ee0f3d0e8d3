"""Puts right what the exporter leaves in a layout.

It mixes OCI's and Docker's media types, gives the manifest none, and names the run image by its
path in the layout directory. The documents are edited, their digests computed anew; the layers
stay as they are.
"""

import os
import stat
from collections.abc import Mapping
from typing import Any

import msgspec

from lifecycle.labels import LIFECYCLE_METADATA
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout, LayoutImage
from oci.reference import Reference


def put_right(
    layout: Layout,
    *,
    run_image: Reference,
    run_image_digest: Digest,
    mirrors: tuple[str, ...] = (),
    top_layer: str = "",
    labels: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
) -> LayoutImage:
    """Make the exported image standard; returns it as it is afterwards.

    mirrors: of the run image, where the exporter found none: with image extensions it looks for
        them by a name that is ours alone.
    top_layer: the run image's last layer, when it is not the one that the exporter took for it:
        layers of extensions belong to the application's image, not to its base.
    labels: of the application, where no buildpack has set another. inherited: the run image's
        labels, which say what the run image is.
    """
    _check_blobs(layout)

    def edit_config(config: dict[str, Any]) -> None:
        found = config.get("config", {}).get("Labels") or {}
        if LIFECYCLE_METADATA not in found:
            raise ImageError(f"the exported image has no label {LIFECYCLE_METADATA}")
        metadata = _decode(found[LIFECYCLE_METADATA])
        described = {
            "image": str(run_image),
            "reference": str(run_image.with_digest(run_image_digest)),
            **({"topLayer": top_layer} if top_layer else {}),
        }
        metadata["runImage"] = {
            **({"mirrors": list(mirrors)} if mirrors else {}),
            **(metadata.get("runImage") or {}),
            **described,
        }
        # The same once more, for platforms that read what stacks left behind.
        stack = metadata.get("stack")
        if isinstance(stack, dict) and isinstance(stack.get("runImage"), dict):
            stack["runImage"] = {
                name: metadata["runImage"][name]
                for name in ("image", "mirrors")
                if name in metadata["runImage"]
            }
        found[LIFECYCLE_METADATA] = msgspec.json.encode(metadata).decode()
        for name, text in (labels or {}).items():
            if name not in found or found[name] == (inherited or {}).get(name):
                found[name] = text

    return layout.rewrite(edit_config)


def _decode(label: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(label, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(
            f"the exported image's label {LIFECYCLE_METADATA} cannot be read: {error}"
        ) from error


def _check_blobs(layout: Layout) -> None:
    """Every layer that is there has the size and the digest that the manifest promises."""
    for layer in layout.read().manifest.layers:
        digest = layer.parsed_digest()
        path = layout.blob_path(digest)
        if not os.path.lexists(path):
            continue  # unchanged: the store has it, or the run image's registry
        status = path.lstat()
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_size != layer.size
            or Digest.of_file(path) != digest
        ):
            raise ImageError(f"the exporter left a damaged layer: {digest}")
