"""Typed mirrors of image-spec: descriptors, manifests and image configurations.

They carry what we read. What we rewrite is edited as plain JSON, so that fields we do not know
survive (`oci.layout.Layout.rewrite`).
Source: OCI image-spec 1.1; Docker's schema 2 differs in its media types only.
"""

from typing import Annotated, Any

import msgspec

from oci.digest import Digest
from oci.errors import ImageError
from oci.platform import Platform
from oci.strict_json import decode_strictly

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = f"{OCI_LAYER_TAR}+gzip"
OCI_LAYER_ZSTD = f"{OCI_LAYER_TAR}+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
TITLE_ANNOTATION = "org.opencontainers.image.ref.name"

# Docker's schema 2 media types and the image-spec ones for the same bytes.
OCI_EQUIVALENT = {
    DOCKER_INDEX: OCI_INDEX,
    DOCKER_MANIFEST: OCI_MANIFEST,
    "application/vnd.docker.container.image.v1+json": OCI_CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER_TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": OCI_LAYER_ZSTD,
}

MAX_MANIFEST_BYTES = 4 << 20
MAX_LAYERS = 512
_MAX_BLOB_BYTES = 1 << 40  # a number above what any file can have is not believed


class DescriptorPlatform(msgspec.Struct, frozen=True):
    """The `platform` of an index entry."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What points at a blob. `size` is in bytes."""

    media_type: str
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_BLOB_BYTES)]
    annotations: dict[str, str] = {}
    platform: DescriptorPlatform | None = None

    def parsed_digest(self) -> Digest:
        """The digest as a value; raises ImageError when it is malformed."""
        return Digest.parse(self.digest)


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An image index: a layout's index.json, or a multi-platform image."""

    schema_version: int = 2
    media_type: str = OCI_INDEX
    manifests: tuple[Descriptor, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image manifest: one configuration and its layers, lowest first."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...] = ()
    media_type: str = ""
    annotations: dict[str, str] = {}


class ContainerConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The `config` object of an image configuration: how a container of it starts."""

    user: str = ""
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, Any] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """`Env` as a mapping; an entry without `=` is an empty variable."""
        return {name: value for name, _, value in (e.partition("=") for e in self.env or ())}


class RootFilesystem(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of the uncompressed layers, lowest first."""

    diff_ids: tuple[str, ...] = ()
    type: str = "layers"


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step that made the image; the lifecycle writes who made each layer into `created_by`."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An image configuration."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str = ""
    config: ContainerConfig = ContainerConfig()
    rootfs: RootFilesystem = RootFilesystem()
    history: tuple[HistoryEntry, ...] | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels; empty when it has none."""
        return self.config.labels or {}

    @property
    def platform(self) -> Platform:
        """What the image says it runs on."""
        return Platform(self.os, self.architecture, self.variant)


def told(platform: Platform) -> str:
    """What an image says it is made for, as it may be shown."""
    text = str(platform)[:60]
    return text if text.isprintable() else repr(text)


def decode_manifest(data: bytes, *, origin: str) -> Manifest:
    """Read a manifest. `origin` names where it came from, for the error."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise ImageError(f"{origin}: the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    what = f"{origin}: the manifest"
    manifest = decode_strictly(data, Manifest, what, foreign=frozenset({"manifests"}))
    if len(manifest.layers) > MAX_LAYERS:
        raise ImageError(f"{origin}: the manifest lists more than {MAX_LAYERS} layers")
    return manifest


def decode_config(data: bytes, *, origin: str) -> ImageConfig:
    """Read an image configuration."""
    return decode_strictly(data, ImageConfig, f"{origin}: the image configuration")


def decode_index(data: bytes, *, origin: str) -> Index:
    """Read an index."""
    return decode_strictly(data, Index, f"{origin}: the image index")


def select_manifest(index: Index, platform: Platform, *, origin: str) -> Descriptor:
    """The one manifest of an index for a platform; an empty variant accepts any."""
    offered = []
    for descriptor in index.manifests:
        offer = descriptor.platform or DescriptorPlatform()
        if offer.os == "unknown":  # an attestation, not an image
            continue
        if (offer.os, offer.architecture) == (platform.os, platform.architecture) and (
            not platform.variant or offer.variant in ("", platform.variant)
        ):
            return descriptor
        offered.append(told(Platform(offer.os, offer.architecture, offer.variant)))
    raise ImageError(
        f"{origin} has no image for {platform}",
        hint=f"it is made for: {', '.join(offered) or 'nothing'}",
    )
