"""The tar archive in a layer's blob, whichever of image-spec's compressions it has."""

import gzip
import zlib
from pathlib import Path
from typing import IO, cast

from oci.errors import ImageError
from oci.image import (
    OCI_EQUIVALENT,
    OCI_LAYER_GZIP,
    OCI_LAYER_TAR,
    OCI_LAYER_ZSTD,
)
from oci.zstd_stream import ZstdDamage, open_zstd

LAYER_TYPES = frozenset({OCI_LAYER_TAR, OCI_LAYER_GZIP, OCI_LAYER_ZSTD})
# What reading a damaged blob raises.
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, ZstdDamage)


def layer_type(media_type: str, *, layer: str) -> str:
    """Image-spec's name of a layer's media type. layer: its name in the error."""
    kind = OCI_EQUIVALENT.get(media_type, media_type)
    if kind in LAYER_TYPES:
        return kind
    if "foreign" in kind or "nondistributable" in kind:
        raise ImageError(
            f"the layer {layer} may not be distributed with the image: its type is {media_type!r}",
            hint="such layers are fetched from addresses in the image; locald does not do that",
        )
    raise ImageError(f"the layer {layer} has the type {media_type[:100]!r}, which is not supported")


def open_layer(path: Path, kind: str) -> IO[bytes]:
    """The uncompressed content of a blob. kind: one of LAYER_TYPES."""
    if kind == OCI_LAYER_ZSTD:
        return open_zstd(path)
    if kind == OCI_LAYER_GZIP:
        return cast(IO[bytes], gzip.open(path))
    return path.open("rb")
