"""What the lifecycle notes of its part of a cache: which layers it keeps, and the SBOM of them all.

committed/io.buildpacks.lifecycle.cache.metadata   JSON
committed/sha256:<hex>.tar                         a layer, by the digest of its tar
Source: lifecycle 0.21, cache/volume_cache.go, platform/cache.go, buildpack/files.go.
"""

import shutil
from pathlib import Path

import msgspec

from oci.digest import Digest
from oci.errors import ImageError
from oci.plain_file import read_plain_file

COMMITTED = "committed"
METADATA = "io.buildpacks.lifecycle.cache.metadata"
MAX_METADATA_BYTES = 2 << 20


class _Layer(msgspec.Struct, frozen=True):
    sha: str = ""


class _Buildpack(msgspec.Struct, frozen=True):
    layers: dict[str, _Layer] | None = None


class CacheMetadata(msgspec.Struct, frozen=True):
    """The part that tells of layers; Go writes null for nothing."""

    sbom: _Layer = _Layer()
    buildpacks: tuple[_Buildpack, ...] | None = None

    @property
    def layers(self) -> frozenset[str]:
        """The digests of all layers that should be there."""
        named = (one.layers or {} for one in self.buildpacks or ())
        found = {layer.sha for layers in named for layer in layers.values()}
        return frozenset((found | {self.sbom.sha}) - {""})


def drop_damaged_sbom(lifecycle: Path) -> bool:
    """Forget the layers of a cache whose SBOM is not as noted; returns whether it was so.

    The restorer skips a layer that is damaged, which its buildpack then makes again, but it fails
    for the SBOM: every build would, until somebody clears the cache.
    """
    committed = lifecycle / COMMITTED
    try:
        data = read_plain_file(committed, METADATA, max_bytes=MAX_METADATA_BYTES)
        sha = msgspec.json.decode(data, type=CacheMetadata).sbom.sha
    except (OSError, ImageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # the lifecycle takes it for an empty one
    if not sha:
        return False
    try:
        path = committed / f"{sha}.tar"
        if not path.is_symlink() and str(Digest.of_file(path)) == sha:
            return False
    except OSError:
        pass
    shutil.rmtree(committed, ignore_errors=True)
    return True
