"""OCI image layouts on disk: open, read, write, rewrite.

Ours hold exactly one image, named `latest`: the lifecycle takes no other, and a second image
would have to be chosen everywhere. `blobs` may be a link to a folder that many layouts share.
A *sparse* layout has the manifest and the configuration but not every layer.
Source: OCI image-spec 1.1, "Image Layout Specification".
"""

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.image import (
    INDEX_TYPES,
    OCI_CONFIG,
    OCI_EQUIVALENT,
    OCI_INDEX,
    OCI_MANIFEST,
    TITLE_ANNOTATION,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    decode_config,
    decode_index,
    decode_manifest,
)
from oci.plain_file import read_plain_file
from oci.removal import make_way

TAG = "latest"
LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'
MAX_INDEX_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class LayoutImage:
    """The image of a layout, read and checked against its digests."""

    digest: Digest
    media_type: str
    manifest: Manifest
    config: ImageConfig
    manifest_bytes: bytes
    config_bytes: bytes

    @classmethod
    def decode(
        cls,
        digest: Digest,
        manifest_bytes: bytes,
        *,
        media_type: str,
        read: Callable[[Descriptor], bytes],
        origin: str,
    ) -> Self:
        """From a manifest; `read` gets the configuration that it names. Raises ImageError."""
        manifest = decode_manifest(manifest_bytes, origin=origin)
        config_bytes = read(manifest.config)
        config = decode_config(config_bytes, origin=origin)
        if len(config.rootfs.diff_ids) != len(manifest.layers):
            raise ImageError(
                f"{origin}: the manifest has {len(manifest.layers)} layers, "
                f"the configuration {len(config.rootfs.diff_ids)}"
            )
        return cls(
            digest=digest,
            media_type=media_type,
            manifest=manifest,
            config=config,
            manifest_bytes=manifest_bytes,
            config_bytes=config_bytes,
        )

    @property
    def layer_digests(self) -> tuple[Digest, ...]:
        """The digests of the layers as stored, lowest first."""
        return tuple(layer.parsed_digest() for layer in self.manifest.layers)


class Layout:
    """One layout folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, *, blobs: Path | None = None) -> Self:
        """Make an empty layout in a new folder; `blobs` links it to a shared folder of blobs."""
        path.mkdir(parents=True)
        if blobs is None:
            (path / "blobs/sha256").mkdir(parents=True)
        else:
            (path / "blobs").symlink_to(blobs)
        (path / "oci-layout").write_bytes(LAYOUT_FILE)
        layout = cls(path)
        layout._write_index(())
        return layout

    @property
    def documents(self) -> tuple[Path, ...]:
        """The files that make the folder a layout."""
        return (self.path / "oci-layout", self.path / "index.json")

    @property
    def readable(self) -> bool:
        """Is an image in it, whose documents are whole?"""
        try:
            self.read()
        except (ImageError, StorageError):
            return False
        return True

    def move_to(self, path: Path) -> None:
        """Put the layout in another place; a damaged one is put right as it lies there, for
        others may be using it. Its link to shared blobs becomes a relative one."""
        shared = self.path / "blobs"
        if shared.is_symlink():  # who moves a store elsewhere moves both ends of the link
            blobs = os.path.relpath(shared.readlink(), path)
            shared.unlink()
            shared.symlink_to(blobs)
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            self.path.rename(path)
            return
        for file in sorted(self.path.iterdir()):
            place = path / file.name
            make_way(place)
            file.replace(place)

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob of this digest is, or would be."""
        return self.path / "blobs/sha256" / digest.hex

    def has_blob(self, digest: Digest) -> bool:
        """Is the blob there? Its content is not read."""
        return self.blob_path(digest).is_file()

    def missing_layers(self, image: LayoutImage) -> tuple[Digest, ...]:
        """The layers of the image that a sparse layout lacks, or has in another size."""
        return tuple(
            layer.parsed_digest()
            for layer in image.manifest.layers
            if _file_size(self.blob_path(layer.parsed_digest())) != layer.size
        )

    def drop_torn_layers(self, image: LayoutImage) -> None:
        """Delete the layers that are there in another size than the manifest says, unless it is
        the manifest that is wrong: other images may have the same layers. And folders in the
        place of layers."""
        for digest in self.missing_layers(image):
            path = self.blob_path(digest)
            make_way(path)
            if _file_size(path) is not None and Digest.of_file(path) != digest:
                path.unlink(missing_ok=True)

    def drop_folders(self) -> None:
        """Delete what stands in the place of blobs: another tool could not replace it."""
        with os.scandir(self.path / "blobs/sha256") as entries:
            folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for folder in folders:
            make_way(Path(folder))

    def read_blob(self, digest: Digest, *, max_bytes: int = MAX_INDEX_BYTES) -> bytes:
        """A small blob's bytes, checked against the digest."""
        path = self.blob_path(digest)
        try:
            data = read_plain_file(path.parent, path.name, max_bytes=max_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(f"{self.path}: the blob {digest} is missing") from error
        if Digest.of(data) != digest:
            raise StorageError(
                f"{path} is damaged: its content does not have the digest in its name",
                hint="delete that file; it will be fetched or built again",
            )
        return data

    def write_blob(self, data: bytes) -> Digest:
        """Store a small blob under its digest, whole or not at all; a damaged one is replaced."""
        digest = Digest.of(data)
        path = self.blob_path(digest)
        if not path.is_file() or path.read_bytes() != data:
            make_way(path)
            self._replace(path, data)
        return digest

    def read(self, *, origin: str = "") -> LayoutImage:
        """The layout's only image; raises ImageError when there is none, or more than one.

        origin: what the image is called in errors, if not by the layout's path.
        """
        descriptor = self._only_descriptor()
        origin = origin or str(self.path)
        if descriptor.media_type in INDEX_TYPES:
            raise ImageError(f"{origin}: holds an image index where one image was expected")
        return LayoutImage.decode(
            descriptor.parsed_digest(),
            self._read_described(descriptor),
            media_type=descriptor.media_type,
            read=self._read_described,
            origin=origin,
        )

    def write_image(
        self,
        config: Mapping[str, Any],
        layers: list[dict[str, Any]],
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> LayoutImage:
        """Make an image of a configuration and the descriptors of its layers."""
        config_bytes = msgspec.json.encode(config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": OCI_CONFIG,
                "digest": str(self.write_blob(config_bytes)),
                "size": len(config_bytes),
            },
            "layers": layers,
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return self.write(msgspec.json.encode(manifest), config_bytes)

    def write(
        self, manifest: bytes, config: bytes, *, media_type: str = OCI_MANIFEST
    ) -> LayoutImage:
        """Make these documents the layout's only image. Layers are not touched."""
        self.write_blob(config)
        digest = self.write_blob(manifest)
        self._write_index(
            (
                Descriptor(
                    media_type=media_type,
                    digest=str(digest),
                    size=len(manifest),
                    annotations={TITLE_ANNOTATION: TAG},
                ),
            )
        )
        return self.read()

    def rewrite(
        self,
        edit_config: Callable[[dict[str, Any]], None],
        edit_manifest: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> LayoutImage:
        """Edit the image's documents as JSON, give them image-spec's media types, and compute
        the digests anew. Fields that nobody edits survive."""
        image = self.read()
        config = msgspec.json.decode(image.config_bytes)
        edit_config(config)
        config_bytes = msgspec.json.encode(config)
        manifest = msgspec.json.decode(image.manifest_bytes)
        edit_manifest(manifest)
        manifest["mediaType"] = OCI_MANIFEST
        manifest["config"] = {
            "mediaType": OCI_CONFIG,
            "digest": str(Digest.of(config_bytes)),
            "size": len(config_bytes),
        }
        for layer in manifest.get("layers") or ():
            layer["mediaType"] = OCI_EQUIVALENT.get(layer["mediaType"], layer["mediaType"])
        return self.write(msgspec.json.encode(manifest), config_bytes)

    def _read_described(self, descriptor: Descriptor) -> bytes:
        data = self.read_blob(descriptor.parsed_digest())
        if len(data) != descriptor.size:
            raise ImageError(
                f"{self.path}: the blob {descriptor.digest} has {len(data)} bytes, "
                f"its descriptor says {descriptor.size}"
            )
        return data

    def _only_descriptor(self) -> Descriptor:
        try:
            data = read_plain_file(self.path, "index.json", max_bytes=MAX_INDEX_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(
                f"{self.path} is not an OCI image layout: it has no index.json"
            ) from error
        index = decode_index(data, origin=str(self.path))
        if len(index.manifests) != 1:
            raise ImageError(f"{self.path}: expected one image, found {len(index.manifests)}")
        return index.manifests[0]

    def _write_index(self, manifests: tuple[Descriptor, ...]) -> None:
        data = msgspec.json.encode(Index(media_type=OCI_INDEX, manifests=manifests))
        self._replace(self.path / "index.json", data)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all, under a name of its own in the layout's folder first.

        Another process may be writing the same file, and whoever made the folder may have put a
        link at any name that can be foreseen. What is left of it when we are killed goes with the
        layout; in a folder of blobs that many share it would stay.
        """
        with tempfile.NamedTemporaryFile(dir=self.path, prefix=".", delete=False) as staged:
            staged.write(data)
        Path(staged.name).replace(path)


def _file_size(path: Path) -> int | None:
    """None when no file is there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
