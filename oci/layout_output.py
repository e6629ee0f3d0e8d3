"""Adds an image to a layout that others may read and write at the same time.

By hand rather than with skopeo, which writes `index.json` in its place, makes and removes folders
that another copy is writing into, and forgets the names that a second copy has written meanwhile.
Whoever reads the layout here finds the images that it held before, or the new one whole.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.durable import intact
from oci.errors import StorageError
from oci.image import OCI_INDEX, TITLE_ANNOTATION, Descriptor, decode_index
from oci.layout import LAYOUT_FILE, MAX_INDEX_BYTES, Layout, LayoutImage
from oci.locks import flock
from oci.plain_file import read_plain_file

# What a killed process leaves: ours, and skopeo's.
UNFINISHED = re.compile(r"\.locald-\w{8}\.partial|oci-put-blob\d+")
_CHUNK_BYTES = 1 << 20


def put_image(
    folder: Path,
    image: LayoutImage,
    name: str,
    *,
    layers: Layout,
    without: Container[Digest] = frozenset(),
) -> None:
    """Add an image under a name; whichever had the name loses it, other images stay.

    folder: exists; becomes a layout if it is none. layers: where the image's layers are.
    without: layers that are left out. Raises OSError when the folder cannot be written,
    ImageError when its index is not one, StorageError when a layer is damaged.
    """
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for layer in image.manifest.layers:
        digest = layer.parsed_digest()
        if digest not in without and not intact(blobs / digest.hex, digest, layer.size):
            _copy(layers.blob_path(digest), digest, folder)
    for document in (image.config_bytes, image.manifest_bytes):
        digest = Digest.of(document)
        if not intact(blobs / digest.hex, digest, len(document)):
            _write(folder, f"blobs/sha256/{digest.hex}", document)
    if not (folder / "oci-layout").is_file():
        _write(folder, "oci-layout", LAYOUT_FILE)
    with _alone(blobs):
        _write(folder, "index.json", _index_with(folder, image, name))


def _index_with(folder: Path, image: LayoutImage, name: str) -> bytes:
    """The index, with the image in it. What we do not know of the other images survives."""
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    with suppress(FileNotFoundError):
        data = read_plain_file(folder, "index.json", max_bytes=MAX_INDEX_BYTES)
        decode_index(data, origin=str(folder))
        index = msgspec.json.decode(data)
    new = Descriptor(
        media_type=image.media_type,
        digest=str(image.digest),
        size=len(image.manifest_bytes),
        annotations={TITLE_ANNOTATION: name},
    )
    others = index.get("manifests") or ()
    kept = [d for d in others if (d.get("annotations") or {}).get(TITLE_ANNOTATION) != name]
    return msgspec.json.encode({**index, "manifests": [*kept, new]})


def _copy(source: Path, digest: Digest, folder: Path) -> None:
    hasher = hashlib.sha256()
    with source.open("rb") as file, _staged(folder, f"blobs/sha256/{digest.hex}") as staged:
        while chunk := file.read(_CHUNK_BYTES):
            check_cancelled()
            hasher.update(chunk)
            staged.write(chunk)
        if hasher.hexdigest() != digest.hex:
            raise StorageError(
                f"{source} is damaged: its content does not have the digest in its name",
                hint="run: locald verify-store, then build again",
            )


def _write(folder: Path, name: str, data: bytes) -> None:
    with _staged(folder, name) as staged:
        staged.write(data)


@contextmanager
def _staged(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A file of the folder, whole or not at all, as readable to others as the umask allows."""
    staged = folder / f".locald-{secrets.token_hex(4)}.partial"
    try:
        with staged.open("xb") as file:
            yield file
        staged.replace(folder / name)
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the index meanwhile, where the file system has locks for folders."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            flock(descriptor, fcntl.LOCK_EX, timeout_seconds=-1)
        yield
    finally:
        os.close(descriptor)
