"""A cache as blobs, and blobs as a cache. What did not change since last time is not packed again.

KEY/image/layout/      an OCI layout with the cache image that was pulled or packed last
KEY/image/state.json   where this cache comes from, and which parts are which blobs
"""

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import msgspec

from lifecycle.cache_content import (
    check_layer,
    committed_layers,
    layer_name,
    read_metadata,
)
from lifecycle.cache_document import (
    MAX_ANCESTORS,
    VERSION,
    CacheDocument,
    CacheManifest,
    CachePart,
    PartKind,
    encode,
)
from lifecycle.cache_metadata import COMMITTED, METADATA
from lifecycle.cache_parts import Part, split
from lifecycle.caches import BuildCache
from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.hashing_reader import HashingReader
from oci.image import Descriptor
from oci.layer_writer import BlobWriter
from oci.layout import Layout, LayoutImage
from oci.plain_file import read_plain_file
from oci.tree_tar import TreeTar, list_tree
from oci.tree_untar import DAMAGE, TreeLimits, TreeUntar

_STATE_FILE = "state.json"
_MAX_STATE_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20


class PackedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part's blob. size_bytes: uncompressed."""

    descriptor: Descriptor
    diff_id: str
    size_bytes: int


class PackingState(msgspec.Struct, frozen=True, kw_only=True):
    """base: digest of the cache image that this cache was last the same as; empty for none.
    ancestors: what that one was made from. packed: fingerprint of a part → its blob."""

    base: str = ""
    ancestors: tuple[str, ...] = ()
    packed: dict[str, PackedPart] = {}

    def descends_from(self, digest: Digest) -> bool:
        """Is this cache that image, or made from it?"""
        return str(digest) in (self.base, *self.ancestors)


@dataclass(frozen=True, kw_only=True)
class PackedCache:
    """A cache as an image of a layout. parts: fingerprint → blob, in the image's order."""

    layout: Layout
    image: LayoutImage
    parts: dict[str, PackedPart]
    ancestors: tuple[str, ...]

    @property
    def state(self) -> PackingState:
        """The state of a cache that is this image."""
        return PackingState(
            base=str(self.image.digest), ancestors=self.ancestors, packed=self.parts
        )


def read_state(folder: Path) -> PackingState:
    """The state in a cache's `image` folder; a new one when there is none that can be read."""
    try:
        data = read_plain_file(folder, _STATE_FILE, max_bytes=_MAX_STATE_BYTES)
        return msgspec.json.decode(data, type=PackingState)
    except (ImageError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return PackingState()


def write_state(folder: Path, state: PackingState) -> None:
    """Keep a state, whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as staged:
        staged.write(msgspec.json.encode(state))
    Path(staged.name).replace(folder / _STATE_FILE)


def layout_folder(folder: Path) -> Path:
    """The layout in an `image` folder."""
    return folder / "layout"


def pack(cache: BuildCache) -> PackedCache:
    """The cache as an image, in its `image` folder. Raises StorageError."""
    cache.image.mkdir(mode=0o700, exist_ok=True)
    state = read_state(cache.image)
    place = layout_folder(cache.image)
    layout = Layout(place) if (place / "oci-layout").is_file() else Layout.create(place)
    parts: dict[str, PackedPart] = {}
    kinds = []
    committed = cache.lifecycle / COMMITTED
    for diff_id in committed_layers(committed):
        packed = _known(state, layout, str(diff_id)) or _pack_layer(
            layout, committed / layer_name(diff_id), diff_id
        )
        if packed is not None:
            parts[str(diff_id)] = packed
            kinds.append(PartKind.LAYER)
    for part in split(list_tree(cache.build)):
        fingerprint = part.fingerprint()
        parts[fingerprint] = _known(state, layout, fingerprint) or _pack_part(
            layout, cache.build, part
        )
        kinds.append(PartKind.TREE)
    ancestors = ((state.base,) if state.base else ()) + state.ancestors
    identity = msgspec.structs.replace(cache.identity, app_dir="")
    document = CacheDocument(
        version=VERSION,
        identity=identity,
        parts=tuple(
            CachePart(kind=kind, size_bytes=packed.size_bytes)
            for kind, packed in zip(kinds, parts.values(), strict=True)
        ),
        metadata=read_metadata(committed),
        ancestors=ancestors[:MAX_ANCESTORS],
    )
    manifest, configuration = encode(
        document,
        tuple(packed.descriptor for packed in parts.values()),
        tuple(Digest.parse(packed.diff_id) for packed in parts.values()),
    )
    write_state(cache.image, msgspec.structs.replace(state, packed=parts))
    image = layout.write(manifest, configuration)
    return PackedCache(layout=layout, image=image, parts=parts, ancestors=document.ancestors)


def unpack(
    read: CacheManifest, layout: Layout, *, into: Path, origin: str, limits: TreeLimits
) -> dict[str, PackedPart]:
    """The image's content into the `lifecycle` and `build` of a folder that has them, empty.

    Returns which part is which blob. Raises ImageError when a blob is not what was promised, or
    would act outside of the folder.
    """
    committed = into / "lifecycle" / COMMITTED
    committed.mkdir(mode=0o755)
    tree = TreeUntar(into / "build", origin=origin, limits=limits)
    found: dict[str, PackedPart] = {}
    trees: dict[tuple[str, ...], PackedPart] = {}
    described = zip(read.manifest.layers, read.document.parts, read.diff_ids, strict=True)
    for descriptor, part, diff_id in described:
        packed = PackedPart(descriptor=descriptor, diff_id=str(diff_id), size_bytes=part.size_bytes)
        with _content(layout, packed, origin=origin) as content:
            match part.kind:
                case PartKind.LAYER:
                    path = committed / layer_name(diff_id)
                    _store(content, path)
                    check_layer(path, diff_id)
                    found[str(diff_id)] = packed
                case PartKind.TREE:
                    trees[tree.extract(cast(IO[bytes], content))] = packed
    tree.finish()
    if read.document.metadata:
        (committed / METADATA).write_text(read.document.metadata)
    for local in split(list_tree(into / "build")):
        if (known := trees.get(local.paths)) is not None:
            found[local.fingerprint()] = known
    return found


def forget_others(layout: Layout, image: LayoutImage) -> None:
    """Delete the blobs of a layout that are not this image's, and what was not finished."""
    kept = {image.digest.hex, image.manifest.config.parsed_digest().hex}
    kept |= {digest.hex for digest in image.layer_digests}
    with os.scandir(layout.path / "blobs/sha256") as entries:
        for entry in entries:
            if entry.name not in kept:
                Path(entry.path).unlink(missing_ok=True)


def _known(state: PackingState, layout: Layout, fingerprint: str) -> PackedPart | None:
    packed = state.packed.get(fingerprint)
    if packed is None or not layout.has_blob(packed.descriptor.parsed_digest()):
        return None
    return packed


def _pack_layer(layout: Layout, path: Path, diff_id: Digest) -> PackedPart | None:
    """None when the file is not what its name says: the lifecycle would not restore it either."""
    with _blob(layout) as blob:
        with path.open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                blob.write(data)
        packed = _closed(blob)
    return packed if packed.diff_id == str(diff_id) else None


def _pack_part(layout: Layout, root: Path, part: Part) -> PackedPart:
    with _blob(layout) as blob:
        tar = TreeTar(blob.write)
        tar.add_tree(root, part.entries)
        tar.close()
        return _closed(blob)


def _closed(blob: BlobWriter) -> PackedPart:
    written = blob.close()
    return PackedPart(
        descriptor=written.descriptor, diff_id=str(written.diff_id), size_bytes=written.size_bytes
    )


@contextmanager
def _blob(layout: Layout) -> Iterator[BlobWriter]:
    blob = BlobWriter(layout)
    try:
        yield blob
    except OSError as error:
        blob.abandon()
        raise StorageError(f"the cache cannot be packed: {error}") from error
    except BaseException:
        blob.abandon()
        raise


@contextmanager
def _content(layout: Layout, packed: PackedPart, *, origin: str) -> Iterator[HashingReader]:
    """What a blob holds; at the end it must have been all that was promised."""
    path = layout.blob_path(packed.descriptor.parsed_digest())
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as plain:
            reader = HashingReader(cast(IO[bytes], plain), packed.size_bytes)
            yield reader
            reader.drain()
    except DAMAGE as error:
        path.unlink(missing_ok=True)  # what is damaged here must not be kept for the next time
        raise ImageError(f"{origin} is damaged: {error}") from error
    if str(reader.digest()) != packed.diff_id or reader.size_bytes != packed.size_bytes:
        path.unlink(missing_ok=True)
        raise ImageError(f"{origin} is damaged: a part does not hold what was promised")


def _store(content: HashingReader, path: Path) -> None:
    try:
        with path.open("xb") as file:
            while data := content.read(_CHUNK_BYTES):
                file.write(data)
    except FileExistsError as error:
        raise ImageError(f"the cache has the layer {path.name[7:19]} twice") from error
