"""The image store: shared blobs, one layout per image, unpacked root filesystems.

    blobs/sha256/HEX                    every blob once
    images/HEX/                         a layout per manifest digest; its blobs are a link
    refs/REGISTRY/REPO…/_tags/TAG/…     which image a name means, one small file per platform
    rootfs/HEX-IDMAP/                   umoci's bundle; COMPLETE is written last
    tmp/                                what is being made; renamed into place when whole
    locks/

An entry exists when its final rename has happened. Everything else is rubbish of a process that
died, and is never looked at.
"""

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from oci.digest import Digest
from oci.durable import intact, sync_files
from oci.errors import ImageError, StorageError, UsageError
from oci.idmap import IdMap, SubordinateIds
from oci.image import Descriptor, ImageConfig, told
from oci.image_scan import ImageLimits, ImageSummary, scan_image
from oci.intake import Intake
from oci.layout import Layout, LayoutImage
from oci.leases import Leases, shared
from oci.location import ImageLocation
from oci.locks import exclusive
from oci.plain_layout import for_umoci
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.removal import make_way
from oci.scan_record import read_scan, write_scan
from oci.scratch import scratch_folder
from oci.skopeo import Skopeo
from oci.space import check_space
from oci.stale_files import mark_used
from oci.store_names import UNREADABLE, MadeFor, RefRecord, StoreNames
from oci.umoci import unpack
from oci.unpacked_root import COMPLETE, read_record, seal
from oci.userns import UserNamespace, user_namespace

log = logging.getLogger(__name__)

OnWait = Callable[[str], None]
_NOBODY = MadeFor()


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image in the store; `layout` may lack layers (a sparse image)."""

    reference: Reference | None
    layout: Layout
    image: LayoutImage
    source: ImageLocation | None
    source_digest: Digest

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self.image.digest

    @property
    def config(self) -> ImageConfig:
        """The image's configuration."""
        return self.image.config

    @property
    def complete(self) -> bool:
        """Are all layers here?"""
        return not self.layout.missing_layers(self.image)


class ImageStore:
    """The store of one user, below `root`."""

    def __init__(
        self,
        root: Path,
        skopeo: Skopeo,
        *,
        on_wait: OnWait = lambda _: None,
        limits: ImageLimits | None = None,
    ) -> None:
        self.root = root
        self._skopeo = skopeo
        self._intake = Intake(skopeo=skopeo, limits=limits or ImageLimits())
        self._on_wait = on_wait
        self.leases = Leases()
        self._names = StoreNames(root)
        if ":" in str(root):
            raise StorageError(
                f"the image store cannot be at {root}: skopeo and umoci take no path with a colon",
                hint="set LOCALD_DATA_DIR to a folder without one",
            )
        for name in ("", "blobs", "blobs/sha256", "images", "refs", "rootfs", "tmp", "locks"):
            try:
                (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StorageError(
                    f"the image store cannot be made at {root}: {error.strerror}",
                    hint="set LOCALD_DATA_DIR to a folder that you can write",
                ) from error

    @property
    def blobs(self) -> Path:
        """The folder that all layouts share."""
        return self.root / "blobs"

    def find(self, reference: Reference, platform: Platform) -> StoredImage | None:
        """The image that a name means here, or None. Nothing is fetched."""
        try:
            record = self._names.read(reference.with_default_tag(), platform)
            source_digest = Digest.parse(record.source_digest)
            source = _parse_source(record.source)
            layout = self._layout(Digest.parse(record.digest))
            image = self._used(layout).read()
        except FileNotFoundError:
            return None
        except (*UNREADABLE, ImageError, StorageError, UsageError) as error:
            # Damaged by a crash or by hand: as good as absent, and made anew by the next fetch.
            log.warning(
                "%s is damaged in the store and will be fetched again: %s", reference, error
            )
            return None
        return StoredImage(
            reference=reference,
            layout=layout,
            image=image,
            source=source,
            source_digest=source_digest,
        )

    def platforms(self, reference: Reference) -> tuple[str, ...]:
        """For which platforms a name means an image here: `linux/amd64`, …"""
        return self._names.platforms(reference.with_default_tag())

    def fetch(
        self, source: ImageLocation, platform: Platform, *, reference: Reference | None
    ) -> StoredImage:
        """Copy a whole image into the store, and let `reference` (if given) mean it."""
        lock = self._lock_path(f"fetch-{Digest.of(str(source).encode()).short}")
        with (
            exclusive(lock, what=f"the image {source}", on_wait=self._on_wait),
            self.staging() as staging,
        ):
            layout = Layout.create(staging / "image", blobs=self.blobs.absolute())
            scratch = staging / "source"
            scratch.mkdir()
            arrived = self._intake.bring(
                source,
                platform,
                into=layout,
                scratch=scratch,
                known=lambda digest: read_scan(self._layout(digest)),
            )
            _check_platform(arrived.image.config, platform, origin=str(source))
            stored = self._adopt(
                layout, reference, platform, source=source, source_digest=arrived.source_digest
            )
            write_scan(stored.layout, arrived.found, staging=staging)
            return stored

    def fetch_sparse(
        self, source: ImageLocation, platform: Platform, *, reference: Reference | None
    ) -> StoredImage:
        """Bring an image's manifest and configuration into the store, but none of its layers; let
        `reference` (if given) mean it."""
        remote = self._skopeo.remote_image(source, platform=platform)
        _check_platform(remote.config, platform, origin=str(source))
        with self.staging() as staging:
            layout = Layout.create(staging / "image", blobs=self.blobs.absolute())
            layout.write(remote.manifest_bytes, remote.config_bytes, media_type=remote.media_type)
            return self._adopt(layout, reference, platform, source=source)

    def complete(self, stored: StoredImage, platform: Platform) -> None:
        """Fetch the layers that a sparse image lacks."""
        if stored.complete:
            return
        if stored.source is None:
            raise ImageError(f"{stored.reference}: layers are missing and nobody says where from")
        source = stored.source
        if source.reference is not None:
            source = ImageLocation.registry(source.reference.with_digest(stored.source_digest))
        stored.layout.drop_torn_layers(stored.image)
        self.fetch(source, platform, reference=None)
        if not stored.complete:
            raise ImageError(f"{stored.reference}: its registry no longer has all of its layers")

    def commit(
        self,
        layout: Layout,
        references: tuple[Reference, ...],
        platform: Platform,
        *,
        made_for: MadeFor = _NOBODY,
    ) -> StoredImage:
        """Take a layout made by somebody else (its own blobs folder) into the store. The layers
        of its image are moved, nothing else; whoever made them has checked their digests. Each
        name changes its meaning in the last, atomic step."""
        image = layout.read()
        with self.staging() as staging:
            kept = Layout.create(staging / "image", blobs=self.blobs.absolute())
            for layer in image.manifest.layers:
                self._take(layout.blob_path(layer.parsed_digest()), layer)
            kept.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
            stored = self._adopt(kept, None, platform, source=None)
            for reference in references:
                self._name(stored, reference, platform, made_for)
        return replace(stored, reference=references[0])

    def unpacked(self, stored: StoredImage, id_map: IdMap) -> Path | None:
        """The image's unpacked root filesystem, if there is one already."""
        bundle = self._bundle(stored, id_map)
        try:
            self.leases.take(bundle)
        except OSError:
            return None
        if read_record(bundle) is None:
            return None
        mark_used(bundle / COMPLETE)
        return bundle / "rootfs"

    def unpack(self, stored: StoredImage, id_map: IdMap, *, tell: OnWait) -> Path:
        """The image's unpacked root filesystem; unpacked in a namespace of its own, once.

        tell: told, with a sentence, when it has to be unpacked.
        """
        ready = self.unpacked(stored, id_map)
        if ready is not None:
            return ready
        name = stored.reference.familiar if stored.reference is not None else stored.digest.short
        tell(f"Unpacking {name} (once)")
        ids = None if id_map.single else SubordinateIds.of_current_user()
        with user_namespace(CommandRunner(), ids=ids) as namespace:
            return self.rootfs(stored, id_map, namespace)

    def rootfs(self, stored: StoredImage, id_map: IdMap, namespace: UserNamespace) -> Path:
        """The image's unpacked root filesystem; unpacked once per image and id map.

        It must never be written: every build shares it.
        """
        bundle = self._bundle(stored, id_map)
        lock = self._lock_path(f"rootfs-{stored.digest.hex[:32]}-{id_map.key}")
        with exclusive(lock, what=f"the image {stored.reference}", on_wait=self._on_wait):
            ready = self.unpacked(stored, id_map)
            if ready is not None:
                return ready
            name = str(stored.reference or stored.digest)
            self._look_through(stored, origin=name).check_owners(id_map, origin=name)
            with self.staging() as staging:
                # A parent of its own: what a hostile layer could reach one level up is nothing.
                jail = staging / "jail"
                jail.mkdir()
                try:
                    self._unpack(stored, jail, id_map, namespace)
                    seal(jail / "bundle", namespace)
                    namespace.remove_tree(bundle)
                    (jail / "bundle").rename(bundle)
                    self.leases.take(bundle)
                finally:
                    namespace.remove_tree(jail)
        return bundle / "rootfs"

    def names(self) -> Iterator[tuple[str, Path]]:
        """Every name in the store, with the file that says what it means."""
        return self._names.texts()

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the store's file system that is gone after the block; meanwhile nobody
        deletes blobs."""
        with shared(self.blobs), scratch_folder(self.root / "tmp", CommandRunner()) as path:
            yield path

    def _adopt(
        self,
        layout: Layout,
        reference: Reference | None,
        platform: Platform,
        *,
        source: ImageLocation | None,
        source_digest: Digest | None = None,
    ) -> StoredImage:
        image = layout.read()
        target = self._layout(image.digest)
        with exclusive(self._lock_path("images"), what="the image store"):
            if not target.readable:
                layout.move_to(target.path)
            self._used(target)
        if source is not None:
            documents = map(target.blob_path, (image.digest, image.manifest.config.parsed_digest()))
            folders = (target.path, target.path.parent, self.blobs / "sha256")
            sync_files((*documents, *target.documents, *folders))
        if source is not None and source.reference is not None and source.reference.digest:
            source_digest = source.reference.digest
        stored = StoredImage(
            reference=reference,
            layout=target,
            image=image,
            source=source,
            source_digest=source_digest or image.digest,
        )
        if reference is not None:
            self._name(stored, reference, platform)
        return stored

    def _look_through(self, stored: StoredImage, *, origin: str) -> ImageSummary:
        """Once in an image's life, before anything of it is used."""
        known = read_scan(stored.layout)
        if known is None:
            limits = self._intake.limits
            known = scan_image(stored.layout, stored.image, origin=origin, limits=limits)
            with self.staging() as staging:
                write_scan(stored.layout, known, staging=staging)
        return known

    def _unpack(
        self, stored: StoredImage, jail: Path, id_map: IdMap, namespace: UserNamespace
    ) -> None:
        try:
            layout = for_umoci(stored.layout, stored.image, jail / "layout")
            unpack(layout.path, jail / "bundle", id_map=id_map, namespace=namespace)
        except ImageError as error:
            name = str(stored.reference or stored.digest)
            # umoci's own words, a trace of Go, end before they come to that.
            check_space(jail, f"{name} cannot be unpacked")
            # Says so when a layer was damaged since it was looked through, and takes it away.
            scan_image(stored.layout, stored.image, origin=name, limits=self._intake.limits)
            raise ImageError(
                f"{name} cannot be unpacked", details=error.details, hint=error.hint
            ) from error

    def _take(self, blob: Path, layer: Descriptor) -> None:
        target = self.blobs / "sha256" / layer.parsed_digest().hex
        if not os.path.lexists(blob) or intact(target, layer.parsed_digest(), layer.size):
            return
        status = blob.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != layer.size:
            raise ImageError(f"{blob}: not the layer that the image lists")
        make_way(target)
        blob.replace(target)

    def _name(
        self,
        stored: StoredImage,
        reference: Reference,
        platform: Platform,
        made_for: MadeFor = _NOBODY,
    ) -> None:
        """Let a name mean this image, from one moment to the next."""
        record = RefRecord(
            digest=str(stored.digest),
            source="" if stored.source is None else str(stored.source),
            source_digest=str(stored.source_digest),
            fetched=time.time(),
            project=made_for.project,
            branch=made_for.branch,
        )
        self._names.write(reference.with_default_tag(), platform, record)

    def _used(self, layout: Layout) -> Layout:
        """Nobody deletes it while this process runs, and everybody sees when it was used."""
        try:
            self.leases.take(layout.path)
        except OSError as error:
            raise ImageError(f"{layout.path} is not there") from error
        mark_used(layout.path)
        return layout

    def _bundle(self, stored: StoredImage, id_map: IdMap) -> Path:
        return self.root / "rootfs" / f"{stored.digest.hex}-{id_map.key}"

    def _layout(self, digest: Digest) -> Layout:
        return Layout(self.root / "images" / digest.hex)

    def _lock_path(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"


def _check_platform(config: ImageConfig, platform: Platform, *, origin: str) -> None:
    # Buildpackages of scripts are made for every architecture, and name none.
    if config.os != platform.os or config.architecture not in ("", platform.architecture):
        raise ImageError(
            f"{origin} is made for {told(config.platform)}, not for {platform}",
            hint="choose an image of that platform, or pass --platform",
        )


def _parse_source(text: str) -> ImageLocation | None:
    return ImageLocation.parse(text, relative_to=Path("/")) if text else None
