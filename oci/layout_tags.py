"""Layouts of several images, one for each tag, that do not grow for ever.

skopeo gives a tag to a new image and leaves the old one in the index, without a name, for nobody
ever to take out: with it stay all its blobs.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from oci.digest import Digest
from oci.errors import ImageError
from oci.image import INDEX_TYPES, TITLE_ANNOTATION, Descriptor, decode_index, decode_manifest
from oci.plain_file import read_plain_file

_MAX_BYTES = 4 << 20


@contextmanager
def replaced_image(layout: Path, tag: str) -> Iterator[None]:
    """When the tag means another image after the block, the old one goes, with the blobs that no
    other image of the layout has. Nobody else may write the layout in the block."""
    before = _tagged(layout, tag)
    yield
    after = _tagged(layout, tag)
    if before is None or after is None or before.digest == after.digest:
        return
    old = _blobs_of(layout, before)
    if old is None or not _forget(layout, before):
        return
    kept: set[str] = set()
    for descriptor in _manifests(layout):
        blobs = _blobs_of(layout, descriptor)
        if blobs is None:  # an index, or one that cannot be read: who knows what it needs
            return
        kept |= blobs
    for name in old - kept:
        Path(layout, "blobs/sha256", name).unlink(missing_ok=True)


def _manifests(layout: Path) -> tuple[Descriptor, ...]:
    try:
        data = read_plain_file(layout, "index.json", max_bytes=_MAX_BYTES)
        return decode_index(data, origin=str(layout)).manifests
    except (ImageError, OSError):
        return ()


def _tagged(layout: Path, tag: str) -> Descriptor | None:
    named = (d for d in _manifests(layout) if d.annotations.get(TITLE_ANNOTATION) == tag)
    return next(named, None)


def _blobs_of(layout: Path, descriptor: Descriptor) -> set[str] | None:
    """The names of an image's blobs; None when it is not known."""
    try:
        digest = Digest.parse(descriptor.digest)
        if descriptor.media_type in INDEX_TYPES:
            return None
        data = read_plain_file(layout / "blobs/sha256", digest.hex, max_bytes=_MAX_BYTES)
        manifest = decode_manifest(data, origin=str(layout))
        layers = {layer.parsed_digest().hex for layer in manifest.layers}
        return {digest.hex, manifest.config.parsed_digest().hex, *layers}
    except (ImageError, OSError):
        return None


def _forget(layout: Path, old: Descriptor) -> bool:
    """Take an image that lost its name out of the index; False when it is still wanted."""
    index: dict[str, Any] = msgspec.json.decode((layout / "index.json").read_bytes())
    others = [entry for entry in index["manifests"] if entry.get("digest") != old.digest]
    named = [
        entry
        for entry in index["manifests"]
        if entry.get("digest") == old.digest
        and (entry.get("annotations") or {}).get(TITLE_ANNOTATION)
    ]
    if named:
        return False
    index["manifests"] = others
    with tempfile.NamedTemporaryFile(dir=layout, prefix=".", delete=False) as staged:
        staged.write(msgspec.json.encode(index))
        os.fchmod(staged.fileno(), 0o644)
    Path(staged.name).replace(layout / "index.json")
    return True
