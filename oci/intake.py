"""Brings an image from wherever it is into a layout of ours, its documents checked.

Layouts and archives are a stranger's files on this host: they are read here, or looked at before
skopeo reads them. What a registry or podman's storage has comes through skopeo.
"""

import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import assert_never

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.errors import Error, ImageError, StorageError
from oci.image_scan import (
    ImageLimits,
    ImageSummary,
    check_blobs,
    check_documents,
    scan_image,
)
from oci.layer_content import DAMAGE
from oci.layer_writer import open_tarball
from oci.layout import TAG, Layout
from oci.layout_intake import ForeignLayout, TakenIn, write_as_oci
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.skopeo import Skopeo
from oci.source_files import check_source
from oci.untar import UntarLimits, untar_file

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Arrived(TakenIn):
    """An image that is whole and was looked through. found: in its layers."""

    found: ImageSummary


@dataclass(frozen=True, kw_only=True)
class Intake:
    """The ways in, and what may come."""

    skopeo: Skopeo
    limits: ImageLimits = field(default_factory=ImageLimits)

    def bring(
        self,
        source: ImageLocation,
        platform: Platform,
        *,
        into: Layout,
        scratch: Path,
        known: Callable[[Digest], ImageSummary | None] = lambda _: None,
    ) -> Arrived:
        """Copy a whole image into `into`, as its only one, and look through it.

        scratch: an empty folder. known: what was found in the image of this digest, if it was
        looked through before. Raises ImageError that names the source and what is wrong with it;
        RegistryError and StorageError as skopeo does.
        """
        origin = str(source)
        into.drop_folders()
        before = frozenset(path.name for path in (into.path / "blobs/sha256").iterdir())
        taken = self._bring(source, platform, into, scratch)
        check_documents(taken.image, origin=origin, limits=self.limits)
        if into.missing_layers(taken.image):
            # skopeo believes in every file of the right name, whatever its size.
            into.drop_torn_layers(taken.image)
            for left in scratch.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            taken = self._bring(source, platform, into, scratch)
        check_blobs(into, taken.image, origin=origin)
        found = known(taken.image.digest)
        try:
            found = found or scan_image(into, taken.image, origin=origin, limits=self.limits)
        except ImageError:
            # Else they would be there for whoever asks only whether they are.
            for digest in taken.image.layer_digests:
                if digest.hex not in before:
                    into.blob_path(digest).unlink(missing_ok=True)
            raise
        return Arrived(image=taken.image, source_digest=taken.source_digest, found=found)

    def _bring(
        self, source: ImageLocation, platform: Platform, into: Layout, scratch: Path
    ) -> TakenIn:
        origin = str(source)
        match source.transport:
            case Transport.OCI:
                foreign = ForeignLayout(folder=_path(source), origin=origin)
                return foreign.take(source.tag, platform, into=into, limits=self.limits)
            case Transport.OCI_ARCHIVE:
                check_source(source)
                folder = self._unpacked(_path(source), scratch / "archive", origin)
                foreign = ForeignLayout(folder=folder, origin=origin)
                return foreign.take(source.tag, platform, into=into, limits=self.limits)
            case Transport.DOCKER_ARCHIVE:
                check_source(source)
                path = self._decompressed(_path(source), scratch / "archive", origin)
                source = replace(source, path=path)
            case Transport.DIRECTORY:
                check_source(source)
            case Transport.REGISTRY | Transport.STORAGE:
                pass
            case _:
                assert_never(source.transport)
        try:
            source_digest = self.skopeo.copy_whole(
                source, ImageLocation.layout(into.path, TAG), platform=platform
            )
        except ImageError as error:
            if source.path is None:
                raise
            raise ImageError(f"{origin} cannot be read", details=error.details) from error
        image = into.read(origin=origin)
        return TakenIn(image=write_as_oci(into, image), source_digest=source_digest or image.digest)

    def _unpacked(self, archive: Path, folder: Path, origin: str) -> Path:
        folder.mkdir()
        limits = UntarLimits(size_bytes=self.limits.size_bytes)
        try:
            untar_file(archive, folder, select=_in_layout, limits=limits, origin=origin)
        except FileExistsError as error:
            raise ImageError(f"{origin}: two entries of the archive have one name") from error
        return folder

    def _decompressed(self, archive: Path, target: Path, origin: str) -> Path:
        """skopeo 1.9.3 reads no compressed archive, after it has decompressed all of it."""
        with archive.open("rb") as file:
            if file.read(262)[257:] == b"ustar":
                return archive
        limit = self.limits.layer.size_for(archive.stat().st_size)
        size = 0
        try:
            with open_tarball(archive) as content, target.open("xb") as made:
                while data := content.read(_CHUNK_BYTES):
                    check_cancelled()
                    size += len(data)
                    if size > limit:
                        raise ImageError(f"{origin}: it holds more than {limit} bytes")
                    made.write(data)
        except (*DAMAGE, lzma.LZMAError) as error:
            raise ImageError(f"{origin}: the archive is damaged: {error}") from error
        except OSError as error:
            raise StorageError(f"{origin} cannot be decompressed: {error.strerror}") from error
        return target


def _path(source: ImageLocation) -> Path:
    if source.path is None:
        raise Error(f"{source} has no path")
    return source.path


def _in_layout(path: PurePosixPath) -> bool:
    """What is beside the layout in an archive is not unpacked."""
    return path.parts[0] in ("oci-layout", "index.json", "blobs")
