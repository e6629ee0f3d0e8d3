"""A cache that travels: pulled from and pushed to a registry, an OCI layout or an archive.

Only what the other side lacks moves. What was pulled is checked whole before it takes the place of
what is here, in one rename; what is pushed gets its name when all its blobs are there. Who pushes
last wins: a cache image is always the whole of one machine's cache.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lifecycle.cache_document import CacheManifest, check_kind, decode, difference
from lifecycle.cache_packing import (
    PackingState,
    forget_others,
    layout_folder,
    pack,
    read_state,
    unpack,
    write_state,
)
from lifecycle.caches import BuildCache
from oci.digest import Digest
from oci.errors import ImageError, MissingImageError, StorageError
from oci.image import decode_manifest
from oci.layout import TAG, Layout
from oci.layout_tags import replaced_image
from oci.location import ImageLocation, Transport
from oci.locks import exclusive
from oci.platform import Platform
from oci.skopeo import RemoteImage, Skopeo
from oci.tree_untar import TreeLimits

_LOCK = ".locald-cache.lock"


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a pull or push moved. parts and size_bytes: of the whole cache, packed."""

    parts: int
    moved_parts: int
    size_bytes: int
    moved_bytes: int


@dataclass(frozen=True, kw_only=True)
class CacheImage:
    """One place of a cache image."""

    location: ImageLocation
    platform: Platform
    skopeo: Skopeo

    def find(self) -> RemoteImage | None:
        """Its manifest and configuration; None when nobody has pushed it yet. Raises ImageError,
        also when there is an image that is no cache: nobody may want to lose that one."""
        path = self.location.path
        if path is not None and not os.path.lexists(_proof(self.location, path)):
            return None
        try:
            with _reading(self.location):
                found = self.skopeo.remote_image(self.location, platform=self.platform)
        except MissingImageError:
            return None
        origin = str(self.location)
        check_kind(decode_manifest(found.manifest_bytes, origin=origin), origin=origin)
        return found

    def pull(
        self,
        cache: BuildCache,
        remote: RemoteImage,
        *,
        keep: bool,
        limits: TreeLimits | None = None,
    ) -> Moved:
        """Make the cache the same as the image; its lock is held.

        keep: it will be pushed to where it came from, so its blobs stay, packed.
        Raises ImageError or StorageError, and has changed nothing then.
        """
        origin = str(self.location)
        manifest = decode_manifest(remote.manifest_bytes, origin=origin)
        read = decode(manifest, remote.config_bytes, origin=origin)
        if differs := difference(read.document.identity, cache.identity):
            raise ImageError(f"{origin} is the cache of another build: {differs}")
        limits = limits or TreeLimits()
        with cache.replacement() as staged:
            layout = Layout.create(layout_folder(staged / "image"))
            here = _link_blobs(layout_folder(cache.image), layout, read)
            _check_room(read, here, staged, limits, origin=origin)
            with _reading(self.location):
                self.skopeo.copy(
                    _pinned(self.location, remote.digest),
                    ImageLocation.layout(layout.path, TAG),
                    platform=self.platform,
                    preserve_digests=True,
                )
            if layout.read().digest != remote.digest:
                raise ImageError(f"{origin} changed while it was read")
            parts = unpack(read, layout, into=staged, origin=origin, limits=limits)
            if keep:
                write_state(
                    staged / "image",
                    PackingState(
                        base=str(remote.digest),
                        ancestors=read.document.ancestors,
                        packed=parts,
                    ),
                )
            else:
                shutil.rmtree(layout.path)
        return _moved(read, present=here)

    def push(
        self,
        cache: BuildCache,
        remote: Digest | None,
        *,
        on_start: Callable[[], None] = lambda: None,
    ) -> Moved | None:
        """Make the image the same as the cache; its lock is held.

        remote: what is there as far as known. on_start: told when there is something to push.
        Returns None when all is there already.
        Raises ImageError or StorageError; the image that is there stays then.
        """
        cache.check_searched()
        state = read_state(cache.image)
        before = _base_layers(cache, state)
        packed = pack(cache)
        image = packed.image
        origin = str(self.location)
        read = decode(image.manifest, image.config_bytes, origin=origin)
        if before is not None and _same(read, before) and str(remote) == state.base:
            return None
        on_start()
        here = () if before is None else before.manifest.layers
        try:
            with _publishing(self.location) as target:
                self.skopeo.copy(
                    ImageLocation.layout(packed.layout.path, TAG),
                    target,
                    platform=self.platform,
                    preserve_digests=True,
                )
        except ImageError:
            _forget_damaged(packed.layout, read)
            raise
        write_state(cache.image, packed.state)
        forget_others(packed.layout, image)
        return _moved(read, present=frozenset(layer.parsed_digest() for layer in here))


def _base_layers(cache: BuildCache, state: PackingState) -> CacheManifest | None:
    """The image that the cache was last the same as, where it is still here."""
    layout = Layout(layout_folder(cache.image))
    try:
        manifest = layout.read_blob(Digest.parse(state.base))
        decoded = decode_manifest(manifest, origin=str(layout.path))
        configuration = layout.read_blob(decoded.config.parsed_digest())
        return decode(decoded, configuration, origin=str(layout.path))
    except (ImageError, StorageError, OSError):
        return None


def _same(one: CacheManifest, other: CacheManifest) -> bool:
    return (
        one.manifest.layers == other.manifest.layers
        and one.document.metadata == other.document.metadata
    )


def _moved(read: CacheManifest, *, present: frozenset[Digest]) -> Moved:
    layers = read.manifest.layers
    new = [layer for layer in layers if layer.parsed_digest() not in present]
    return Moved(
        parts=len(layers),
        moved_parts=len(new),
        size_bytes=sum(layer.size for layer in layers),
        moved_bytes=sum(layer.size for layer in new),
    )


def _link_blobs(place: Path, layout: Layout, read: CacheManifest) -> frozenset[Digest]:
    """Give a new layout the blobs that are here already, unless they are damaged."""
    linked = set()
    old = Layout(place)
    for descriptor in read.manifest.layers:
        digest = descriptor.parsed_digest()
        path = old.blob_path(digest)
        if digest in linked or path.is_symlink() or not path.is_file():
            continue
        if Digest.of_file(path) == digest:
            os.link(path, layout.blob_path(digest))
            linked.add(digest)
    return frozenset(linked)


def _forget_damaged(layout: Layout, read: CacheManifest) -> None:
    """A push may have failed for a blob that is damaged here: it is packed anew next time."""
    for descriptor in read.manifest.layers:
        digest = descriptor.parsed_digest()
        path = layout.blob_path(digest)
        if path.is_file() and Digest.of_file(path) != digest:
            path.unlink()


def _check_room(
    read: CacheManifest, here: frozenset[Digest], folder: Path, limits: TreeLimits, *, origin: str
) -> None:
    unpacked = sum(part.size_bytes for part in read.document.parts)
    if unpacked > limits.size_bytes:
        raise ImageError(f"{origin} would take {unpacked} bytes, more than a cache may have")
    fetched = _moved(read, present=here).moved_bytes
    free = shutil.disk_usage(folder).free
    if unpacked + fetched > free:
        raise StorageError(
            f"{origin} would take {unpacked + fetched} bytes, there are {free} free in {folder}"
        )


def _pinned(location: ImageLocation, digest: Digest) -> ImageLocation:
    """What was looked at: a tag may mean something else by now."""
    if location.transport is not Transport.REGISTRY or location.reference is None:
        return location
    return ImageLocation.registry(location.reference.with_digest(digest))


def _proof(location: ImageLocation, path: Path) -> Path:
    return path / "index.json" if location.transport is Transport.OCI else path


@contextmanager
def _reading(location: ImageLocation) -> Iterator[None]:
    """A layout is not read while another locald writes it: skopeo does not replace its index
    whole."""
    path = location.path
    if location.transport is not Transport.OCI or path is None or not os.access(path, os.W_OK):
        yield
        return
    with exclusive(path / _LOCK, what=f"the cache image {path}"):
        yield


@contextmanager
def _publishing(location: ImageLocation) -> Iterator[ImageLocation]:
    """Where to write so that nobody sees half of it."""
    path = location.path
    if path is None:
        yield location
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if location.transport is Transport.OCI:
            lock = exclusive(path / _LOCK, what=f"the cache image {path}")
            with lock, replaced_image(path, location.tag):
                yield location
            return
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as staged:
            yield replace(location, path=Path(staged, path.name))
            Path(staged, path.name).replace(path)
    except OSError as error:
        raise StorageError(f"{location} cannot be written: {error.strerror}") from error
