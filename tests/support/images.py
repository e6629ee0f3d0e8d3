"""Small real images on disk: layers written by tarfile, documents by `oci.layout`.

    layout = make_image(tmp_path / "app", files={"bin/hello": "hi"}, labels={"a": "b"})

For hostile layers make the bytes with `tar_layer` or tarfile and pass them as `layers`.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oci.digest import Digest
from oci.image import OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_TAR, OCI_MANIFEST
from oci.layout import Layout
from oci.platform import Platform


def tar_member(
    name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, mode: int = 0o755
) -> tarfile.TarInfo:
    """One entry's header; the owner is root, the time is the epoch's first second."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    member.size = size
    member.mode = mode
    member.mtime = 1
    return member


def tar_layer(
    files: Mapping[str, str | bytes] | None = None,
    *,
    members: Sequence[tarfile.TarInfo] = (),
    pax: bool = False,
) -> bytes:
    """An uncompressed layer: the files with their folders, then the bare entries of `members`."""
    buffer = io.BytesIO()
    form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        folders: set[str] = set()
        for name, content in (files or {}).items():
            parents = name.split("/")[:-1]
            for folder in ("/".join(parents[: i + 1]) for i in range(len(parents))):
                if folder not in folders:
                    archive.addfile(tar_member(folder, kind=tarfile.DIRTYPE))
                    folders.add(folder)
            data = content.encode() if isinstance(content, str) else content
            archive.addfile(tar_member(name, size=len(data)), io.BytesIO(data))
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def make_image(
    path: Path,
    *,
    files: Mapping[str, str | bytes] | None = None,
    labels: Mapping[str, str] | None = None,
    env: Sequence[str] = (),
    layers: Sequence[bytes] = (),
    platform: Platform | None = None,
    compress: bool = True,
    config: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
    media_type: str = OCI_MANIFEST,
    blobs: Path | None = None,
) -> Layout:
    """A layout in a new folder with one image: a layer of `files` (if any), then `layers`.

    layers: uncompressed. platform: this host's when not given. config, manifest: keys that
    replace those of the documents. blobs: a shared folder of blobs, which has `sha256`.
    """
    layout = Layout.create(path, blobs=blobs)
    wanted = [*([tar_layer(files)] if files is not None else []), *layers]
    platform = platform or Platform.of_host()
    config_bytes = encode(
        {
            "architecture": platform.architecture,
            "os": platform.os,
            "created": "1980-01-01T00:00:01Z",
            "config": {"Env": list(env), "Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(layer)) for layer in wanted]},
            **(config or {}),
        }
    )
    descriptors = [add_layer(layout, layer, compress=compress) for layer in wanted]
    manifest_bytes = encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": describe(config_bytes, OCI_CONFIG),
            "layers": descriptors,
            **(manifest or {}),
        }
    )
    layout.write(manifest_bytes, config_bytes, media_type=media_type)
    return layout


def add_layer(layout: Layout, layer: bytes, *, compress: bool = True) -> dict[str, Any]:
    """Store a layer's blob; returns its descriptor."""
    blob = gzip.compress(layer, mtime=0) if compress else layer
    layout.write_blob(blob)
    return describe(blob, OCI_LAYER_GZIP if compress else OCI_LAYER_TAR)


def describe(blob: bytes, media_type: str) -> dict[str, Any]:
    """The descriptor of these bytes, as JSON values."""
    return {"mediaType": media_type, "digest": str(Digest.of(blob)), "size": len(blob)}


def encode(document: Mapping[str, Any]) -> bytes:
    """A document's bytes."""
    return json.dumps(document).encode()


def write_index(layout: Layout, *descriptors: Mapping[str, Any]) -> None:
    """Replace a layout's index.json, valid or not."""
    index = {"schemaVersion": 2, "manifests": list(descriptors)}
    (layout.path / "index.json").write_bytes(encode(index))
