"""skopeo: fetches, copies and inspects images. Argv makers are pure; `Skopeo` runs them."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from oci.digest import Digest
from oci.errors import BusyError, CommandError, ImageError, MissingImageError, RegistryError
from oci.image import (
    INDEX_TYPES,
    OCI_MANIFEST,
    ImageConfig,
    decode_config,
    decode_index,
    decode_manifest,
    select_manifest,
)
from oci.layout_intake import ForeignLayout
from oci.location import ImageLocation, Transport
from oci.persist import Transient, persist
from oci.platform import Platform
from oci.process import Command, CommandResult, CommandRunner, LineSink
from oci.reference import Reference
from oci.registries import Pass, Registries
from oci.registries import RegistryAccess as RegistryAccess
from oci.registry_errors import DAMAGED_HINT, stalled
from oci.skopeo_errors import damaged, explain
from oci.source_files import check_source


@dataclass(frozen=True, kw_only=True)
class Way:
    """How skopeo reaches one registry. auth_file: None means without a credential."""

    auth_file: Path | None = None
    cert_dir: Path | None = None
    tls_verify: bool = True
    registries_conf: Path | None = None


NO_REGISTRY = Way()
# What skopeo says, before it copies anything, when it may not keep a manifest as it is.
_CONVERTS = "nstructed to preserve digests"


@dataclass(frozen=True, kw_only=True)
class RemoteImage:
    """The documents of an image that stays where it is."""

    digest: Digest
    media_type: str
    manifest_bytes: bytes
    config_bytes: bytes
    config: ImageConfig


def copy_argv(
    source: ImageLocation,
    target: ImageLocation,
    *,
    platform: Platform,
    way: Way = NO_REGISTRY,
    preserve_digests: bool = False,
    quiet: bool = False,
) -> tuple[str, ...]:
    """The argv that copies one image. way: to the one of both that is in a registry."""
    return (
        "skopeo",
        *_global_options(platform, way),
        "copy",
        *(("--quiet",) if quiet else ()),
        *(("--preserve-digests",) if preserve_digests else ()),
        *_way_options(way, source, prefix="src-"),
        *_way_options(way, target, prefix="dest-"),
        "--",
        str(source),
        str(target),
    )


def inspect_argv(
    source: ImageLocation, *, platform: Platform, way: Way = NO_REGISTRY, config: bool = False
) -> tuple[str, ...]:
    """The argv that prints an image's raw manifest, or its raw configuration."""
    return (
        "skopeo",
        *_global_options(platform, way),
        "inspect",
        "--raw",
        *(("--config",) if config else ()),
        *_way_options(way, source, prefix=""),
        "--",
        str(source),
    )


class Skopeo:
    """Runs skopeo and turns what it says into errors that name the cause."""

    def __init__(
        self,
        runner: CommandRunner,
        registries: Registries | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._runner = runner
        self.registries = registries or Registries(runner)
        self._sleep = sleep

    def copy(
        self,
        source: ImageLocation,
        target: ImageLocation,
        *,
        platform: Platform,
        preserve_digests: bool = False,
        on_line: LineSink | None = None,
    ) -> None:
        """Copy one image; at most one of both is in a registry. Raises RegistryError, ImageError
        or StorageError."""
        image = _in_registry(source) or _in_registry(target)
        growth = None
        if image is not None and target.path is not None:
            growth = _Growth(target.path, image, self.registries.patience.stall_seconds)

        def run() -> CommandResult:
            with self._way(image) as (way, descriptors):
                argv = copy_argv(
                    source,
                    target,
                    platform=platform,
                    way=way,
                    preserve_digests=preserve_digests,
                    quiet=on_line is None,
                )
                command = Command(argv=argv, dies_with_us=True, pass_fds=descriptors, watch=growth)
                return self._run(command, source, target, on_line=on_line)

        self._persist(run)

    def copy_whole(
        self, source: ImageLocation, layout: ImageLocation, *, platform: Platform
    ) -> Digest | None:
        """Copy an image into a layout, its manifest as it is wherever skopeo can do that; else
        returns the digest that it has at the source."""
        if source.transport is not Transport.REGISTRY:
            self.copy(source, layout, platform=platform)
            return None
        try:
            self.copy(source, layout, platform=platform, preserve_digests=True)
        except ImageError as error:
            if not any(_CONVERTS in line for line in error.details):
                raise
        else:
            return None
        remote = self.remote_image(source, platform=platform)
        self.copy(_pinned(source, remote.digest), layout, platform=platform)
        return remote.digest

    def remote_image(self, source: ImageLocation, *, platform: Platform) -> RemoteImage:
        """Manifest and configuration of an image, its layers not fetched."""
        if source.transport is Transport.OCI and source.path is not None:
            foreign = ForeignLayout(folder=source.path, origin=str(source))
            image = foreign.read(source.tag, platform)
            return RemoteImage(
                digest=image.digest,
                media_type=image.media_type,
                manifest_bytes=image.manifest_bytes,
                config_bytes=image.config_bytes,
                config=image.config,
            )
        check_source(source)
        manifest = self._inspect(source, platform=platform)
        try:
            return self._described(source, manifest, platform)
        except ImageError as error:
            known = isinstance(error, RegistryError) and not isinstance(error, MissingImageError)
            if _in_registry(source) is None or known:
                raise
        # What a tag means has no digest that would tell a wrong bit: it is asked for once more.
        manifest = self._inspect(source, platform=platform)
        try:
            return self._described(source, manifest, platform)
        except ImageError as error:
            error.hint = error.hint or DAMAGED_HINT
            raise

    def _described(self, source: ImageLocation, manifest: bytes, platform: Platform) -> RemoteImage:
        """The image that a manifest, or one of an index, is about."""
        source = _pinned(source, Digest.of(manifest))
        manifest_document = decode_index(manifest, origin=str(source))
        if manifest_document.media_type in INDEX_TYPES and manifest_document.manifests:
            chosen = select_manifest(manifest_document, platform, origin=str(source))
            if source.reference is None:
                raise ImageError(
                    f"{source}: an index of several images is only read from registries"
                )
            source = _pinned(source, chosen.parsed_digest())
            manifest = self._inspect(source, platform=platform)
        parsed = decode_manifest(manifest, origin=str(source))
        config = self._inspect(source, platform=platform, config=True)
        if Digest.of(config) != parsed.config.parsed_digest():
            raise ImageError(
                f"{source}: the configuration does not have the digest that was promised"
            )
        return RemoteImage(
            digest=Digest.of(manifest),
            media_type=parsed.media_type or OCI_MANIFEST,
            manifest_bytes=manifest,
            config_bytes=config,
            config=decode_config(config, origin=str(source)),
        )

    def _inspect(self, source: ImageLocation, *, platform: Platform, config: bool = False) -> bytes:
        image = _in_registry(source)

        def run() -> CommandResult:
            with self._way(image) as (way, descriptors):
                argv = inspect_argv(source, platform=platform, way=way, config=config)
                limit = self.registries.patience.stall_seconds if image is not None else None
                command = Command(argv=argv, pass_fds=descriptors, timeout_seconds=limit)
                result = self._run(command, source, None)
            if image is not None and not _is_right(result.stdout, image, config=config):
                raise Transient(damaged(image))
            return result

        return self._persist(run).stdout

    def _run(
        self,
        command: Command,
        source: ImageLocation,
        target: ImageLocation | None,
        *,
        on_line: LineSink | None = None,
    ) -> CommandResult:
        try:
            return self._runner.run(command, on_line=on_line)
        except CommandError as error:
            raise explain(error, source, target, who=self.registries.credential) from error
        except BusyError as error:
            image = _in_registry(source)
            if image is None or command.timeout_seconds is None:
                raise
            raise Transient(stalled(image, command.timeout_seconds)) from error

    def _persist(self, run: Callable[[], CommandResult]) -> CommandResult:
        """skopeo's own repetitions leave out servers' errors."""
        return persist(run, self.registries.patience, self._sleep)

    @contextmanager
    def _way(self, image: Reference | None) -> Iterator[tuple[Way, tuple[int, ...]]]:
        """What it needs, in files that no disk has and nobody else can open."""
        if image is None:
            yield NO_REGISTRY, ()
            return
        wanted: Pass = self.registries.skopeo_pass(image)
        with ExitStack() as stack:
            descriptors = []
            paths: list[Path | None] = []
            auth = wanted.auth.reveal().encode() if wanted.auth is not None else None
            for content in (auth, wanted.registries_conf):
                if content is None:
                    paths.append(None)
                    continue
                descriptor = os.memfd_create("locald", 0)
                stack.callback(os.close, descriptor)
                os.write(descriptor, content)
                descriptors.append(descriptor)
                paths.append(Path("/dev/fd", str(descriptor)))
            way = Way(
                auth_file=paths[0],
                registries_conf=paths[1],
                cert_dir=wanted.cert_dir,
                tls_verify=wanted.tls_verify,
            )
            yield way, tuple(descriptors)


class _Growth:
    """Raises when the folder that skopeo writes into has not changed for too long."""

    def __init__(self, folder: Path, image: Reference, stall_seconds: float) -> None:
        self._folder = folder
        self._image = image
        self._stall_seconds = stall_seconds
        self._seen: frozenset[tuple[str, int]] = frozenset()
        self._changed = time.monotonic()

    def __call__(self) -> None:
        seen = frozenset(self._files())
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._changed = seen, now
        elif now - self._changed > self._stall_seconds:
            self._changed = now
            raise Transient(stalled(self._image, self._stall_seconds))

    def _files(self) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    yield entry.name, entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:  # not begun, or renamed this moment
            return


def _in_registry(location: ImageLocation) -> Reference | None:
    return location.reference if location.transport is Transport.REGISTRY else None


def _pinned(source: ImageLocation, digest: Digest) -> ImageLocation:
    """Exactly this content, where that can be said: a tag may move between two requests."""
    if source.transport is not Transport.REGISTRY or source.reference is None:
        return source
    return ImageLocation.registry(source.reference.with_digest(digest))


def _global_options(platform: Platform, way: Way) -> tuple[str, ...]:
    variant = ("--override-variant", platform.variant) if platform.variant else ()
    conf = ("--registries-conf", str(way.registries_conf)) if way.registries_conf else ()
    return (
        "--override-os", platform.os,
        "--override-arch", platform.architecture,
        *variant,
        *conf,
    )  # fmt: skip


def _way_options(way: Way, location: ImageLocation, *, prefix: str) -> tuple[str, ...]:
    if location.transport is not Transport.REGISTRY:
        return ()
    # Without either of both skopeo would look for a credential itself.
    options: tuple[str, ...] = (f"--{prefix}no-creds",)
    if way.auth_file is not None:
        options = ("--authfile" if not prefix else f"--{prefix}authfile", str(way.auth_file))
    if way.cert_dir is not None:
        options += (f"--{prefix}cert-dir", str(way.cert_dir))
    if not way.tls_verify:
        options += (f"--{prefix}tls-verify=false",)
    return options


def _is_right(data: bytes, image: Reference, *, config: bool) -> bool:
    """Is it a document at all, and the one that was asked for? `skopeo inspect --raw` compares no
    digests of manifests. What is in it is somebody else's question, and how deep it is."""
    if image.digest is not None and not config and Digest.of(data) != image.digest:
        return False
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        return True
    return True
