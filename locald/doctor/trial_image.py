"""The image of a trial: one layer, one program."""

import json
from pathlib import Path, PurePosixPath

from oci.digest import Digest
from oci.image import OCI_CONFIG, OCI_MANIFEST
from oci.layer_writer import LayerWriter, Owner
from oci.layout import Layout
from oci.platform import Platform

PROGRAM = PurePosixPath("/bin/trial")
USER = 1000


def make_trial_image(path: Path, program: bytes, platform: Platform) -> None:
    """A layout at `path`, which must not exist, with the image in it."""
    layout = Layout.create(path)
    with LayerWriter(layout) as layer:
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            layer.add_folder(PurePosixPath("/", name))
        for name in ("layers", "workspace"):
            layer.add_folder(PurePosixPath("/", name), owner=Owner(USER, USER))
        layer.add_file(PROGRAM, program, mode=0o755)
    written = layer.written
    config = json.dumps(
        {
            "os": platform.os,
            "architecture": platform.architecture,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(written.diff_id)]},
        }
    ).encode()
    descriptor = written.descriptor
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG,
            "digest": str(Digest.of(config)),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": descriptor.media_type,
                "digest": descriptor.digest,
                "size": descriptor.size,
            }
        ],
    }
    layout.write(json.dumps(manifest).encode(), config)
