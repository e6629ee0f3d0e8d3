"""Brings a finished image to where the user wants it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from oci.errors import StorageError
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import StoredImage

_ARCHIVES = frozenset({Transport.OCI_ARCHIVE, Transport.DOCKER_ARCHIVE})


SLOW_STORAGE_NOTE = (
    "podman's storage uses the driver vfs, which copies every layer whole; overlay is many times "
    'faster (driver = "overlay" in ~/.config/containers/storage.conf, before its first use)'
)
_SLOW_SECONDS = 1.0


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


def deliver(
    stored: StoredImage, target: ImageLocation, *, platform: Platform, skopeo: Skopeo
) -> None:
    """Copy the image to one place; what is there is replaced when the copy is whole."""
    source = ImageLocation.layout(stored.layout.path, "latest")
    with _staged(target) as staged:
        skopeo.copy(source, staged, platform=platform)


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
    if target.path is not None and not target.path.parent.is_dir():
        raise StorageError(
            f"--output {target}: the folder {target.path.parent} does not exist",
            hint=f"make it: mkdir -p {target.path.parent}",
        )
    if target.transport not in _ARCHIVES or target.path is None:
        yield target
        return
    staged = Path(target.path.parent, f".{target.path.name}.{os.getpid()}.partial")
    try:
        yield replace(target, path=staged)
        staged.replace(target.path)
    finally:
        staged.unlink(missing_ok=True)
