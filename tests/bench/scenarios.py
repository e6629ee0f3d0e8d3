"""What two of the measurements need: a larger run image, sources with much to exclude."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

from oci.digest import Digest
from oci.image import OCI_LAYER_GZIP
from oci.layout import Layout
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from tests.bench.place import Place

RUN_IMAGE = Reference(LOCALHOST, "locald/run", "embedded")
LARGE_RUN_IMAGE = Reference(LOCALHOST, "locald-bench/run", "large")

_FILE_BYTES = 4 << 20
EXCLUDED_BYTES = 1 << 30


def open_store(place: Place) -> ImageStore:
    """The user's store, where the embedded builder is."""
    return ImageStore(place.paths.store, Skopeo(CommandRunner()))


def stored(store: ImageStore, reference: Reference) -> StoredImage:
    """An image that must be in the store."""
    found = store.find(reference, Platform.of_host())
    if found is None:
        raise FileNotFoundError(
            f"{reference} is not in the store: locald builder create --embedded"
        )
    return found


def make_large_run_image(place: Place) -> float:
    """The run image with incompressible files on top, three times its size in all.

    Returns how many times larger it is.
    """
    store = open_store(place)
    base = stored(store, RUN_IMAGE)
    size = sum(layer.size for layer in base.image.manifest.layers)
    layer, diff_id = _incompressible_layer(2 * size)
    layout = Layout.create(place.work / "large-run-image")
    for digest in base.image.layer_digests:
        layout.blob_path(digest).symlink_to(base.layout.blob_path(digest))
    layout.write(
        base.image.manifest_bytes, base.image.config_bytes, media_type=base.image.media_type
    )
    digest = layout.write_blob(layer)

    def add_to_config(config: dict[str, Any]) -> None:
        config["rootfs"]["diff_ids"].append(str(diff_id))
        config["history"] = []

    def add_to_manifest(manifest: dict[str, Any]) -> None:
        manifest["layers"].append(
            {"mediaType": OCI_LAYER_GZIP, "digest": str(digest), "size": len(layer)}
        )

    layout.rewrite(add_to_config, add_to_manifest)
    for known in base.image.layer_digests:  # the store has them; only what is new moves there
        layout.blob_path(known).unlink()
    store.commit(layout, (LARGE_RUN_IMAGE,), Platform.of_host())
    return (size + len(layer)) / size


def _incompressible_layer(size_bytes: int) -> tuple[bytes, Digest]:
    """The same bytes in every run, so that the store does not grow with each."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for number, offset in enumerate(range(0, size_bytes, _FILE_BYTES)):
            info = tarfile.TarInfo(f"usr/share/locald-bench/{number:03}")
            info.size = min(_FILE_BYTES, size_bytes - offset)
            tar.addfile(info, io.BytesIO(_noise(number, info.size)))
    data = raw.getvalue()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0, filename="") as file:
        file.write(data)
    return packed.getvalue(), Digest.of(data)


def _noise(seed: int, size: int) -> bytes:
    return hashlib.shake_128(str(seed).encode()).digest(size)


def add_excluded_folder(source: Path) -> int:
    """1 GB in 20,480 files in a folder that is excluded by default; returns the bytes."""
    return _fill(source / "node_modules", folders=640, files=32, suffix=".js")


def add_excluded_files(source: Path) -> int:
    """1 GB in 1,024 files all over visible folders, excluded by a pattern of project.toml."""
    (source / "project.toml").write_text(
        '[_]\nschema-version = "0.2"\n\n[io.buildpacks]\nexclude = ["*.model"]\n'
    )
    return _fill(source / "data", folders=32, files=32, suffix=".model")


def _fill(root: Path, *, folders: int, files: int, suffix: str) -> int:
    content = os.urandom(EXCLUDED_BYTES // (folders * files))
    for i in range(folders):
        folder = root / f"{i % 16:02}" / f"{i:03}"
        folder.mkdir(parents=True)
        for j in range(files):
            (folder / f"{j:03}{suffix}").write_bytes(content)
    return len(content) * folders * files
