"""Images of a few bytes, in OCI layouts: whatever labels and platform a test wants."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from oci.digest import Digest
from oci.image import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.layout import Layout, LayoutImage


def make_image(
    path: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    labels: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    architecture: str = "amd64",
) -> LayoutImage:
    """A layout at `path`, which must not exist, with one image of one layer."""
    layout = Layout.create(path)
    tar = _tar(files or {"etc/motd": b"hello\n"})
    layer = gzip.compress(tar, mtime=0)
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {
            "Labels": dict(labels or {}),
            "Env": [f"{name}={value}" for name, value in (env or {}).items()],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
    }
    config_bytes = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config_bytes),
        "layers": [_descriptor(OCI_LAYER_GZIP, layer)],
    }
    layout.write_blob(layer)
    return layout.write(json.dumps(manifest).encode(), config_bytes)


def _descriptor(media_type: str, data: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
