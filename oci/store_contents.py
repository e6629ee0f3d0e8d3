"""What is in a store, read without changing anything: images, names, blobs, unpacked roots."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from oci.allocation import allocated_bytes, file_bytes
from oci.errors import ImageError, StorageError
from oci.layout import Layout, LayoutImage
from oci.store_names import NamedImage, StoreNames, names_by_digest
from oci.unpacked_root import UnpackedRecord, read_record

_HEX = re.compile(r"[0-9a-f]{64}")
_ROOT = re.compile(r"(?P<image>[0-9a-f]{64})-(?P<ids>[0-9a-z-]+)")


@dataclass(frozen=True, kw_only=True)
class KeptImage:
    """One image's layout. image: None when it cannot be read. used: seconds since the epoch.

    own_bytes: of the layout's folder itself.
    """

    hex: str
    layout: Layout
    image: LayoutImage | None
    names: tuple[NamedImage, ...]
    used: float
    own_bytes: int

    @property
    def blobs(self) -> frozenset[str]:
        """The hex digests of all that it is made of."""
        if self.image is None:
            return frozenset()
        manifest = self.image.manifest
        parts = (*self.image.layer_digests, self.image.digest, manifest.config.parsed_digest())
        return frozenset(part.hex for part in parts)


@dataclass(frozen=True, kw_only=True)
class KeptRoot:
    """An unpacked root filesystem. record: None when it is not whole."""

    path: Path
    image: str
    ids: str
    record: UnpackedRecord | None
    used: float

    @cached_property
    def size_bytes(self) -> int:
        """What it takes on the disk; of one that nobody has measured, what can be seen."""
        known = self.record.size_bytes if self.record is not None else 0
        return known or allocated_bytes(self.path)


@dataclass(frozen=True, kw_only=True)
class StoreContents:
    """All of it. blobs: hex digest → bytes on the disk. strays: what is there and nobody knows."""

    images: tuple[KeptImage, ...]
    names: tuple[NamedImage, ...]
    roots: tuple[KeptRoot, ...]
    blobs: Mapping[str, int]
    strays: tuple[Path, ...]

    def blob_bytes(self, images: Iterable[KeptImage]) -> int:
        """What the blobs of these images take, each counted once."""
        wanted = {name for image in images for name in image.blobs}
        return sum(self.blobs.get(name, 0) for name in wanted)

    def alone_bytes(self, image: KeptImage) -> int:
        """What would be free without this image: its blobs that no other one has."""
        return sum(
            self.blobs.get(name, 0) for name in image.blobs if len(self._users.get(name, ())) == 1
        )

    @property
    def size_bytes(self) -> int:
        """Blobs, layouts and unpacked roots together."""
        return (
            sum(self.blobs.values())
            + sum(image.own_bytes for image in self.images)
            + sum(root.size_bytes for root in self.roots)
        )

    @cached_property
    def _users(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for image in self.images:
            for name in image.blobs:
                found[name] = (*found.get(name, ()), image.hex)
        return found


def read_contents(store: Path) -> StoreContents:
    """Look through a store. What is being made or deleted meanwhile may be missing."""
    names = StoreNames(store).all()
    strays: list[Path] = []
    images, roots, blobs = [], [], {}
    by_digest = names_by_digest(names)
    for path, status in _entries(store / "images"):
        if not _HEX.fullmatch(path.name):
            strays.append(path)
            continue
        layout = Layout(path)
        images.append(
            KeptImage(
                hex=path.name,
                layout=layout,
                image=_read(layout),
                names=by_digest.get(f"sha256:{path.name}", ()),
                used=status.st_mtime,
                own_bytes=allocated_bytes(path),
            )
        )
    for path, _ in _entries(store / "rootfs"):
        found = _ROOT.fullmatch(path.name)
        if found is None:
            strays.append(path)
        else:
            roots.append(_root(path, found["image"], found["ids"]))
    for path, status in _entries(store / "blobs/sha256"):
        if _HEX.fullmatch(path.name):
            blobs[path.name] = file_bytes(status)
        else:
            strays.append(path)
    return StoreContents(
        images=tuple(images),
        names=names,
        roots=tuple(roots),
        blobs=blobs,
        strays=tuple(strays),
    )


def _root(path: Path, image: str, ids: str) -> KeptRoot:
    record = read_record(path)
    try:
        used = (path / "COMPLETE").stat().st_mtime
    except OSError:
        used = 0.0
    return KeptRoot(path=path, image=image, ids=ids, record=record, used=used)


def _read(layout: Layout) -> LayoutImage | None:
    try:
        image = layout.read()
    except (ImageError, StorageError, OSError):
        return None
    return image if image.digest.hex == layout.path.name else None


def _entries(folder: Path) -> Iterable[tuple[Path, os.stat_result]]:
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        try:
            yield path, path.lstat()
        except FileNotFoundError:  # deleted this moment
            continue
