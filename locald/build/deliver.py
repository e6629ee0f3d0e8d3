"""Brings a finished image to where the user wants it."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from locald.build.observer import BuildObserver
from locald.build.unfinished import delivering, of_archive
from oci.digest import Digest
from oci.errors import DISK_FULL_HINT, ImageError, StorageError
from oci.layout import TAG
from oci.layout_output import UNFINISHED, put_image
from oci.location import ImageLocation, Transport
from oci.moved import Moved
from oci.plain_layout import has_zstd, without_zstd
from oci.platform import Platform
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.space import is_full
from oci.store import ImageStore, StoredImage

_ARCHIVES = frozenset({Transport.OCI_ARCHIVE, Transport.DOCKER_ARCHIVE})


SLOW_STORAGE_NOTE = (
    "podman's storage uses the driver vfs, which copies every layer whole; overlay is many times "
    'faster (driver = "overlay" in ~/.config/containers/storage.conf, before its first use)'
)
_SLOW_SECONDS = 1.0
_LAYOUT_HINT = "name a folder that is new, or a layout that you can write"


def destinations(
    outputs: tuple[ImageLocation, ...], names: tuple[Reference, ...]
) -> tuple[ImageLocation, ...]:
    """Where the image goes. Without `--output`: podman's storage, where podman is installed;
    else it stays in the store. Archives and layouts that say no name get the image's."""
    if not outputs:
        if shutil.which("podman") is None:
            return ()
        return tuple(ImageLocation.storage(name) for name in names)
    return tuple(_named(output, names[0]) for output in outputs)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What goes where.

    base_layers: the run image's, which a sparse output lacks. origins: which images of
    registries have a layer that the store may lack, or that a registry can mount.
    """

    image: StoredImage
    targets: tuple[ImageLocation, ...]
    platform: Platform
    sparse: bool = False
    base_layers: frozenset[Digest] = frozenset()
    origins: Mapping[Digest, tuple[Reference, ...]] = field(default_factory=dict)

    @property
    def published(self) -> tuple[Reference, ...]:
        """The names in registries."""
        found = (t.reference for t in self.targets if t.transport is Transport.REGISTRY)
        return tuple(name for name in found if name is not None)

    @property
    def local(self) -> tuple[ImageLocation, ...]:
        """The places of this host."""
        return tuple(t for t in self.targets if t.transport is not Transport.REGISTRY)

    @property
    def wants_base(self) -> bool:
        """Must the run image's layers be on this host?"""
        return wants_base(self.targets, sparse=self.sparse)


def wants_base(targets: tuple[ImageLocation, ...], *, sparse: bool) -> bool:
    """Is there a place that the run image's layers must be brought to from this host?"""
    without = {Transport.REGISTRY, *([Transport.OCI] if sparse else [])}
    return any(target.transport not in without for target in targets)


def deliver(
    delivery: Delivery, *, store: ImageStore, skopeo: Skopeo, observer: BuildObserver
) -> tuple[Moved, ...]:
    """Copy the image to every place; what is there is replaced when the copy is whole. Names in
    registries change last, when everything else is there. Returns what went to registries."""
    missing = list(delivery.image.layout.missing_layers(delivery.image.image))
    if delivery.local and not delivery.wants_base:
        missing = [digest for digest in missing if digest not in delivery.base_layers]
    fetch = bool(delivery.local) and bool(missing)
    if not delivery.published and not fetch:
        _deliver_here(delivery, store, skopeo, observer)
        return ()
    # Loads the HTTP client: 70 ms, and most builds talk to no registry here.
    from locald.build.publishing import Publisher

    with Publisher(
        delivery.image,
        origins=delivery.origins,
        registries=skopeo.registries,
        observer=observer,
    ) as publisher:
        if fetch:
            publisher.fetch(store, missing)
        moved = publisher.push(delivery.published)
        _deliver_here(delivery, store, skopeo, observer)
        publisher.tag()
    return moved


def _deliver_here(
    delivery: Delivery, store: ImageStore, skopeo: Skopeo, observer: BuildObserver
) -> None:
    for target in delivery.local:
        observer.step(f"Delivering to {target}")
        started = time.monotonic()
        if target.transport is Transport.OCI and target.path is not None:
            _write_layout(delivery, target, target.path)
        else:
            with _source(delivery, target, store) as source, _staged(target) as staged:
                skopeo.copy(source, staged, platform=delivery.platform)
        if slow_storage(target, time.monotonic() - started):
            observer.note(SLOW_STORAGE_NOTE)


@contextmanager
def _source(
    delivery: Delivery, target: ImageLocation, store: ImageStore
) -> Iterator[ImageLocation]:
    """The image as skopeo can write it there. Layers are not compressed in such archives."""
    stored = delivery.image
    if target.transport is not Transport.DOCKER_ARCHIVE or not has_zstd(stored.image):
        yield ImageLocation.layout(stored.layout.path, TAG)
        return
    with store.staging() as staging:
        plain = without_zstd(stored.layout, stored.image, staging / "plain")
        yield ImageLocation.layout(plain.path, TAG)


def _write_layout(delivery: Delivery, target: ImageLocation, folder: Path) -> None:
    """The image in a layout, beside what it holds already."""
    _check_parent(target)
    stored = delivery.image
    try:
        folder.mkdir(exist_ok=True)
        with delivering(folder, UNFINISHED):
            put_image(
                folder,
                stored.image,
                target.tag or TAG,
                layers=stored.layout,
                without=delivery.base_layers if delivery.sparse else frozenset(),
            )
    except OSError as error:
        raise StorageError(
            f"--output {target}: {error.strerror} ({error.filename or folder})",
            hint=DISK_FULL_HINT if is_full(error) else _LAYOUT_HINT,
        ) from error
    except ImageError as error:
        raise ImageError(f"--output {target}: {error.message}", hint=_LAYOUT_HINT) from error


def slow_storage(target: ImageLocation, seconds: float) -> bool:
    """Did a delivery take long because of the driver that podman's storage has?

    Debian's podman takes vfs for a new storage when nothing is configured.
    """
    if target.transport is not Transport.STORAGE or seconds < _SLOW_SECONDS:
        return False
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    storage = Path(data, "containers/storage")
    return (storage / "vfs-layers").is_dir() and not (storage / "overlay-layers").is_dir()


def _named(output: ImageLocation, name: Reference) -> ImageLocation:
    if output.transport is Transport.DOCKER_ARCHIVE and output.reference is None:
        return replace(output, reference=name)
    if output.transport in (Transport.OCI, Transport.OCI_ARCHIVE) and not output.tag:
        return replace(output, tag=name.tag or "latest")
    return output


@contextmanager
def _staged(target: ImageLocation) -> Iterator[ImageLocation]:
    """Archives are written beside their final name, then renamed over it."""
    _check_parent(target)
    if target.path is None or target.transport not in _ARCHIVES:
        yield target
        return
    staged = Path(target.path.parent, f".{target.path.name}.{os.getpid()}.partial")
    with delivering(target.path.parent, of_archive(target.path.name)):
        try:
            yield replace(target, path=staged)
            staged.replace(target.path)
        finally:
            staged.unlink(missing_ok=True)


def _check_parent(target: ImageLocation) -> None:
    if target.path is not None and not target.path.parent.is_dir():
        raise StorageError(
            f"--output {target}: the folder {target.path.parent} does not exist",
            hint=f"make it: mkdir -p {target.path.parent}",
        )
