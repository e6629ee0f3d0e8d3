"""A cache image: the manifest of an OCI artifact, one blob for each part of the cache.

Its configuration is that of an image (platform, digests of the layers) with one more object,
`cache`: registries that know images only take it, and `skopeo inspect` shows what it is.
Source: OCI image-spec 1.1, "Guidelines for Artifact Usage".
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from lifecycle.cache_content import check_metadata
from lifecycle.cache_metadata import MAX_METADATA_BYTES
from lifecycle.caches import CacheIdentity
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Manifest, RootFilesystem
from oci.platform import Platform

CONFIG_TYPE = "application/vnd.locald.cache.v1+json"
VERSION = 1
# Long enough for any machine that comes back with an old cache; 70 bytes each.
MAX_ANCESTORS = 50
_TITLE = "org.opencontainers.image.title"


class PartKind(StrEnum):
    """What a blob holds."""

    LAYER = "layer"  # a file of the lifecycle's, as it is
    TREE = "build"  # some of the build folder, as `oci.tree_tar` writes it


class CachePart(msgspec.Struct, frozen=True, kw_only=True):
    """One blob of the manifest, in its order. size_bytes: uncompressed."""

    kind: PartKind
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]


class CacheDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The object `cache` of the configuration.

    ancestors: digests of the cache images that this one was made from, the last first.
    metadata: of the lifecycle's part, as it is.
    """

    version: int
    identity: CacheIdentity
    parts: tuple[CachePart, ...]
    metadata: str = ""
    ancestors: tuple[str, ...] = ()


class _Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    architecture: str
    os: str
    variant: str = ""
    rootfs: RootFilesystem
    cache: CacheDocument


class CacheManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Manifest and configuration, read and checked against each other."""

    manifest: Manifest
    document: CacheDocument
    diff_ids: tuple[Digest, ...]


def encode(
    document: CacheDocument, layers: tuple[Descriptor, ...], diff_ids: tuple[Digest, ...]
) -> tuple[bytes, bytes]:
    """Manifest and configuration; layers and diff_ids are those of the document's parts."""
    platform = Platform.parse(document.identity.platform)
    configuration = msgspec.json.encode(
        _Configuration(
            architecture=platform.architecture,
            os=platform.os,
            variant=platform.variant,
            rootfs=RootFilesystem(diff_ids=tuple(map(str, diff_ids))),
            cache=document,
        )
    )
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=Descriptor(
            media_type=CONFIG_TYPE,
            digest=str(Digest.of(configuration)),
            size=len(configuration),
        ),
        layers=layers,
        annotations={_TITLE: f"build cache of {document.identity.project}"},
    )
    return msgspec.json.encode(manifest), configuration


def decode(manifest: Manifest, configuration: bytes, *, origin: str) -> CacheManifest:
    """What a manifest and its configuration say. Raises ImageError."""
    check_kind(manifest, origin=origin)
    try:
        decoded = msgspec.json.decode(configuration, type=_Configuration)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"{origin}: the cache's configuration cannot be read: {error}") from error
    document = decoded.cache
    if document.version != VERSION:
        raise ImageError(
            f"{origin} was made by another version of locald (form {document.version}, "
            f"this one reads {VERSION})"
        )
    diff_ids = tuple(map(Digest.parse, decoded.rootfs.diff_ids))
    if not len(manifest.layers) == len(document.parts) == len(diff_ids):
        raise ImageError(f"{origin}: the cache's manifest and configuration contradict each other")
    if any(layer.media_type != OCI_LAYER_GZIP for layer in manifest.layers):
        raise ImageError(f"{origin}: the cache has a blob of an unknown kind")
    if len(document.metadata) > MAX_METADATA_BYTES or len(document.ancestors) > MAX_ANCESTORS:
        raise ImageError(f"{origin}: the cache's configuration is too large")
    if document.metadata:
        check_metadata(document.metadata)
    return CacheManifest(manifest=manifest, document=document, diff_ids=diff_ids)


def check_kind(manifest: Manifest, *, origin: str) -> None:
    """Raises ImageError for an image that is no cache at all."""
    if manifest.config.media_type != CONFIG_TYPE:
        raise ImageError(
            f"{origin} is no build cache of locald",
            hint="name another place for the cache; this one holds something else",
        )


def difference(theirs: CacheIdentity, ours: CacheIdentity) -> str:
    """In what a cache from elsewhere is not for this build; empty when it is.

    Neither the project's folder counts, nor its name, which often is the folder's.
    """
    said = (
        ("platform", theirs.platform, ours.platform),
        ("distribution", theirs.distro, ours.distro),
        ("execution environment", theirs.exec_env, ours.exec_env),
        ("service", theirs.service, ours.service),
    )
    return ", ".join(
        f"{what} {their[:100] or 'none'} instead of {our or 'none'}"
        for what, their, our in said
        if their != our
    )
