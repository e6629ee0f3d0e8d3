"""Takes one image out of a layout that somebody else made.

Not skopeo: 1.9.3 follows links and waits for ever at a FIFO in the place of a blob, believes wrong
sizes, and finds no image whose manifest has a media type of Docker's. Every file is opened without
following a link, must have the size that its descriptor says, and is hashed while it is copied.
Source: OCI image-spec 1.1, "Image Layout Specification"; the choice among several images is that of
containers-transports(5), `oci:path[:reference]`.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.image import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_CONFIG,
    OCI_EQUIVALENT,
    OCI_MANIFEST,
    TITLE_ANNOTATION,
    Descriptor,
    Index,
    decode_index,
    select_manifest,
)
from oci.image_scan import ImageLimits, check_documents
from oci.layout import Layout, LayoutImage
from oci.plain_file import open_plain_file, read_plain_file
from oci.platform import Platform

_MAX_DOCUMENT_BYTES = 4 << 20
_MAX_INDEX_DEPTH = 3
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """An image that is in a layout of ours now.

    source_digest: of its manifest where it came from, which differs when that was one of Docker's.
    """

    image: LayoutImage
    source_digest: Digest


@dataclass(frozen=True, kw_only=True)
class ForeignLayout:
    """A folder with a layout in it. origin: what it is called in errors."""

    folder: Path
    origin: str

    def take(
        self, tag: str, platform: Platform, *, into: Layout, limits: ImageLimits | None = None
    ) -> TakenIn:
        """Copy an image with all of its layers into a layout of ours, as its only one.

        tag: its name in the layout; empty for the only image.
        """
        image = self.read(tag, platform)
        check_documents(image, origin=self.origin, limits=limits)
        for layer in image.manifest.layers:
            self._copy(layer, into)
        return TakenIn(image=write_as_oci(into, image), source_digest=image.digest)

    def read(self, tag: str, platform: Platform) -> LayoutImage:
        """The documents of an image; `tag` as in `take`."""
        try:
            return self._read(tag, platform)
        except ImageError as error:
            if self.origin in error.message:
                raise
            raise ImageError(f"{self.origin}: {error.message}", hint=error.hint) from error

    def _read(self, tag: str, platform: Platform) -> LayoutImage:
        self._check_version()
        index = decode_index(self._file("index.json"), origin=self.origin)
        descriptor = self._manifest(self._named(index, tag), platform, depth=1)
        if descriptor.media_type not in MANIFEST_TYPES:
            raise ImageError(
                f"{self.origin}: what it holds is no image: {descriptor.media_type[:100]!r}"
            )
        return LayoutImage.decode(
            descriptor.parsed_digest(),
            self._document(descriptor, "manifest"),
            media_type=descriptor.media_type,
            read=lambda config: self._document(config, "configuration"),
            origin=self.origin,
        )

    def _check_version(self) -> None:
        if not self.folder.exists():
            raise ImageError(f"no such file or folder: {self.folder}")
        try:
            version = msgspec.json.decode(self._file("oci-layout"), type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImageError(f"{self.origin}: its oci-layout cannot be read: {error}") from error
        found = version.get("imageLayoutVersion", "")
        if not found.startswith("1."):
            raise ImageError(f"{self.origin}: a layout of version {found[:20]!r}, not 1.0.0")

    def _named(self, index: Index, tag: str) -> Descriptor:
        names = [d.annotations.get(TITLE_ANNOTATION, "") for d in index.manifests]
        found = [d for d, name in zip(index.manifests, names, strict=True) if tag in ("", name)]
        if len(found) == 1:
            return found[0]
        told = ", ".join(repr(name[:100]) for name in names[:10] if name) or "no named image"
        if not found:
            what = f"no image named {tag!r}" if tag else "no image"
            raise ImageError(f"{self.origin}: it holds {what}", hint=f"it holds: {told}")
        if tag:
            raise ImageError(f"{self.origin}: it holds {len(found)} images named {tag!r}")
        raise ImageError(
            f"{self.origin}: it holds {len(found)} images",
            hint=f"name one after a colon; it holds: {told}",
        )

    def _manifest(self, descriptor: Descriptor, platform: Platform, *, depth: int) -> Descriptor:
        if descriptor.media_type not in INDEX_TYPES:
            return descriptor
        if depth > _MAX_INDEX_DEPTH:
            raise ImageError(f"{self.origin}: its indexes are nested too deeply")
        index = decode_index(self._document(descriptor, "index"), origin=self.origin)
        chosen = select_manifest(index, platform, origin=self.origin)
        return self._manifest(chosen, platform, depth=depth + 1)

    def _document(self, descriptor: Descriptor, what: str) -> bytes:
        digest = descriptor.parsed_digest()
        data = self._file(f"blobs/sha256/{digest.hex}")
        if len(data) != descriptor.size:
            raise ImageError(
                f"{self.origin}: the {what} {digest.short} has {len(data)} bytes, "
                f"its descriptor says {descriptor.size}"
            )
        if Digest.of(data) != digest:
            raise ImageError(f"{self.origin}: the {what} {digest.short} has another digest")
        return data

    def _file(self, name: str) -> bytes:
        folder, name = self._place(name)
        try:
            return read_plain_file(folder, name, max_bytes=_MAX_DOCUMENT_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(f"{self.origin}: it has no {name}") from error
        except ImageError as error:
            raise ImageError(f"{self.origin}: {error.message}") from error
        except OSError as error:
            raise ImageError(f"{self.origin}: {name} cannot be read: {error.strerror}") from error

    def _place(self, name: str) -> tuple[Path, str]:
        """`blobs` itself may be a link: layouts share one, as ours do."""
        folder, _, rest = name.rpartition("/")
        return (self.folder / folder, rest) if folder else (self.folder, name)

    def _copy(self, layer: Descriptor, into: Layout) -> None:
        digest = layer.parsed_digest()
        target = into.blob_path(digest)
        what = f"{self.origin}: the layer {digest.short}"
        if target.is_file() and target.stat().st_size == layer.size:
            return
        folder, name = self._place(f"blobs/sha256/{digest.hex}")
        try:
            descriptor = open_plain_file(folder, name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(f"{what} is missing") from error
        except ImageError as error:
            raise ImageError(f"{what} is no plain file") from error
        except OSError as error:
            raise ImageError(f"{what} cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size != layer.size:
                raise ImageError(f"{what} has {size} bytes, the manifest says {layer.size}")
            copy_blob(source, target, digest, what=what)


def copy_blob(source: Any, target: Path, digest: Digest, *, what: str) -> None:
    """Copy an open file of a stranger's to its place, if it has that digest."""
    hasher = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as staged:
        path = Path(staged.name)
        try:
            while data := source.read(_CHUNK_BYTES):
                check_cancelled()
                hasher.update(data)
                staged.write(data)
            if hasher.hexdigest() != digest.hex:
                raise ImageError(f"{what} has another digest: its content was changed, or damaged")
            staged.flush()
            path.chmod(0o644)
            path.replace(target)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageError(f"{target} cannot be written: {error.strerror}") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def write_as_oci(into: Layout, image: LayoutImage) -> LayoutImage:
    """Make it the layout's only image; Docker's manifest as image-spec's: the same, by other names.
    Fields that nobody here knows stay."""
    if image.media_type == OCI_MANIFEST:
        return into.write(image.manifest_bytes, image.config_bytes)
    manifest: dict[str, Any] = msgspec.json.decode(image.manifest_bytes)
    manifest["mediaType"] = OCI_MANIFEST
    manifest["config"] = _renamed(manifest["config"], OCI_CONFIG)
    manifest["layers"] = [_renamed(layer, layer["mediaType"]) for layer in manifest["layers"]]
    return into.write(msgspec.json.encode(manifest), image.config_bytes)


def _renamed(descriptor: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    return {**descriptor, "mediaType": OCI_EQUIVALENT.get(media_type, media_type)}
