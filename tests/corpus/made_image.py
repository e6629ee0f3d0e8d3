"""An image whose every part a case can replace before it is written."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oci.digest import Digest
from oci.image import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from tests.corpus.image_case import ImageCase
from tests.support.images import describe, tar_layer

Json = dict[str, Any]
MOTD = {"etc/motd": b"hello\n"}
CONTENT = tar_layer(MOTD)


@dataclass(kw_only=True)
class MadeImage:
    """The documents as JSON values, and the blobs; what is added stays consistent by itself.

    raw_manifest, raw_config, raw_index: change the bytes; digests are computed afterwards.
    edit_index: changes the index as JSON, last. media_type: of the manifest, in the index.
    """

    content: bytes = CONTENT
    blob: bytes = b""
    layer: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    manifest: Json = field(default_factory=dict)
    media_type: str = OCI_MANIFEST
    edit_manifest: Callable[[Json], object] = lambda _: None
    edit_config: Callable[[Json], object] = lambda _: None
    edit_index: Callable[[Json], object] = lambda _: None
    raw_manifest: Callable[[bytes], bytes] = bytes
    raw_config: Callable[[bytes], bytes] = bytes
    raw_index: Callable[[bytes], bytes] = bytes

    def write(self, folder: Path) -> Path:
        """A layout in a new folder, its image named `latest`."""
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        blob = self.blob or gzip.compress(self.content, mtime=0)
        put(folder, blob)
        platform = Platform.of_host()
        config: Json = {
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(self.content))]},
            **self.config,
        }
        self.edit_config(config)
        config_bytes = self.raw_config(json.dumps(config).encode())
        manifest: Json = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": put(folder, config_bytes, OCI_CONFIG),
            "layers": [{**describe(blob, OCI_LAYER_GZIP), **self.layer}],
            **self.manifest,
        }
        self.edit_manifest(manifest)
        manifest_bytes = self.raw_manifest(json.dumps(manifest).encode())
        write_index(
            folder, put(folder, manifest_bytes, self.media_type), self.edit_index, self.raw_index
        )
        return folder

    def location(self, folder: Path) -> ImageLocation:
        """Written, and where."""
        return ImageLocation.layout(self.write(folder), "latest")


def put(folder: Path, data: bytes, media_type: str = "") -> Json:
    """Store a blob; returns its descriptor."""
    (folder / "blobs/sha256" / Digest.of(data).hex).write_bytes(data)
    return describe(data, media_type)


def write_index(
    folder: Path,
    descriptor: Mapping[str, Any],
    edit: Callable[[Json], object] = lambda _: None,
    raw: Callable[[bytes], bytes] = bytes,
) -> None:
    """The layout's index.json, with this as its only image."""
    named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    index: Json = {"schemaVersion": 2, "manifests": [named]}
    edit(index)
    (folder / "index.json").write_bytes(raw(json.dumps(index).encode()))


def layer_path(layout: Path) -> Path:
    """The blob of the image's only layer."""
    image = Layout(layout).read()
    return Layout(layout).blob_path(image.layer_digests[0])


def made_case(name: str, *, refused: str = "", **parts: Any) -> ImageCase:
    """A case of an image that differs from a good one by these parts (`MadeImage`'s fields)."""
    return ImageCase(
        name=name,
        make=lambda place: MadeImage(**parts).location(place.folder / "image"),
        refused=refused,
        holds={} if refused else MOTD,
    )


def with_layer(**fields: Any) -> Callable[[Json], object]:
    """Changes the descriptor of the manifest's only layer."""
    return lambda manifest: manifest["layers"][0].update(fields)


def with_config(**fields: Any) -> Callable[[Json], object]:
    """Changes the descriptor of the manifest's configuration."""
    return lambda manifest: manifest["config"].update(fields)
