"""skopeo: fetches, copies and inspects images. Argv makers are pure; `Skopeo` runs them."""

import re
from dataclasses import dataclass
from pathlib import Path

from oci.digest import Digest
from oci.errors import DISK_FULL_HINT, CommandError, Error, ImageError, RegistryError, StorageError
from oci.image import (
    INDEX_TYPES,
    OCI_MANIFEST,
    ImageConfig,
    decode_config,
    decode_index,
    decode_manifest,
    select_manifest,
)
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.process import Command, CommandRunner, LineSink

# How often skopeo itself repeats a failed request.
_RETRIES = 3


@dataclass(frozen=True, kw_only=True)
class RegistryAccess:
    """How registries are reached. Credentials stay in files that skopeo reads itself."""

    auth_file: Path | None = None
    cert_dir: Path | None = None
    tls_verify: bool = True


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
    access: RegistryAccess,
    preserve_digests: bool = False,
    quiet: bool = False,
) -> tuple[str, ...]:
    """The argv that copies one image."""
    return (
        "skopeo",
        *_platform_options(platform),
        "copy",
        *(("--quiet",) if quiet else ()),
        *(("--preserve-digests",) if preserve_digests else ()),
        "--retry-times", str(_RETRIES),
        *_access_options(access, source, prefix="src-"),
        *_access_options(access, target, prefix="dest-"),
        "--",
        str(source),
        str(target),
    )  # fmt: skip


def inspect_argv(
    source: ImageLocation,
    *,
    platform: Platform,
    access: RegistryAccess,
    config: bool = False,
) -> tuple[str, ...]:
    """The argv that prints an image's raw manifest, or its raw configuration."""
    return (
        "skopeo",
        *_platform_options(platform),
        "inspect",
        "--raw",
        *(("--config",) if config else ()),
        "--retry-times", str(_RETRIES),
        *_access_options(access, source, prefix=""),
        "--",
        str(source),
    )  # fmt: skip


class Skopeo:
    """Runs skopeo and turns what it says into errors that name the cause."""

    def __init__(self, runner: CommandRunner, access: RegistryAccess | None = None) -> None:
        self._runner = runner
        self._access = access or RegistryAccess()

    def copy(
        self,
        source: ImageLocation,
        target: ImageLocation,
        *,
        platform: Platform,
        preserve_digests: bool = False,
        on_line: LineSink | None = None,
    ) -> None:
        """Copy one image. Raises RegistryError, ImageError or StorageError."""
        argv = copy_argv(
            source,
            target,
            platform=platform,
            access=self._access,
            preserve_digests=preserve_digests,
            quiet=on_line is None,
        )
        try:
            self._runner.run(Command(argv=argv, dies_with_us=True), on_line=on_line)
        except CommandError as error:
            raise _explain(error, source, target) from error

    def remote_image(self, source: ImageLocation, *, platform: Platform) -> RemoteImage:
        """Manifest and configuration of an image, its layers not fetched."""
        manifest = self._inspect(source, platform=platform)
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
        argv = inspect_argv(source, platform=platform, access=self._access, config=config)
        try:
            return self._runner.run(Command(argv=argv)).stdout
        except CommandError as error:
            raise _explain(error, source, None) from error


def _pinned(source: ImageLocation, digest: Digest) -> ImageLocation:
    """Exactly this content, where that can be said: a tag may move between two requests."""
    if source.transport is not Transport.REGISTRY or source.reference is None:
        return source
    return ImageLocation.registry(source.reference.with_digest(digest))


def _platform_options(platform: Platform) -> tuple[str, ...]:
    variant = ("--override-variant", platform.variant) if platform.variant else ()
    return (
        "--override-os", platform.os,
        "--override-arch", platform.architecture,
        *variant,
    )  # fmt: skip


def _access_options(
    access: RegistryAccess, location: ImageLocation, *, prefix: str
) -> tuple[str, ...]:
    if location.transport is not Transport.REGISTRY:
        return ()
    options: tuple[str, ...] = ()
    if access.auth_file is not None:
        options += (f"--{prefix}authfile" if prefix else "--authfile", str(access.auth_file))
    if access.cert_dir is not None:
        options += (f"--{prefix}cert-dir", str(access.cert_dir))
    if not access.tls_verify:
        options += (f"--{prefix}tls-verify=false",)
    return options


# What skopeo says → what it means. The first match wins; {registry} and {image} are filled in.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"no space left on device|disk quota exceeded",
        "the disk is full",
        DISK_FULL_HINT,
    ),
    (
        r"toomanyrequests|too many requests",
        "the registry {registry} limits how often it may be asked for {image}",
        "wait, or log in: skopeo login {registry}",
    ),
    (
        r"unauthorized|authentication required|(?<!permission )denied|403 \(?Forbidden",
        "{image}: the registry refused access",
        "see that the name is right; log in with: skopeo login {registry}",
    ),
    (
        r"manifest unknown|not found: manifest|404 \(?Not Found|name unknown|repository name not",
        "{image} does not exist in its registry",
        "see that the name and the tag are right",
    ),
    (
        r"no image found in (?:image index|manifest list) for",
        "{image} has no image for this platform",
        "choose another image, or another --platform",
    ),
    (
        r"x509|certificate",
        "the certificate of the registry {registry} is not trusted",
        "add its CA to this host, or to /etc/containers/certs.d/{registry}/ca.crt",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "the registry {registry} speaks HTTP, not HTTPS",
        "list it as insecure in /etc/containers/registries.conf if that is meant to be",
    ),
    (
        r"no such host|server misbehaving|dial tcp|connection refused|i/o timeout|EOF"
        r"|network is unreachable|TLS handshake timeout|pinging container registry",
        "the registry {registry} cannot be reached for {image}",
        "see that this host has a way to it (network, proxy); without one, "
        "`locald builder create --embedded` makes a builder here",
    ),
)


def _explain(error: CommandError, source: ImageLocation, target: ImageLocation | None) -> Error:
    """The skopeo failure as an error that names cause, image and remedy."""
    said = "\n".join(error.details)
    registries = [
        location
        for location in (source, target)
        if location is not None and location.transport is Transport.REGISTRY
    ]
    # A failed copy names the side that failed in its own words; with one registry it is that.
    subject = registries[-1] if registries else (target or source)
    image = str(subject.reference or subject.path)
    registry = subject.reference.registry if subject.reference is not None else ""
    for pattern, message, hint in _CAUSES:
        if re.search(pattern, said, re.IGNORECASE):
            if "disk" in message:
                return StorageError(f"{message} (while copying to {target})", hint=hint)
            if not registries:
                break
            return RegistryError(
                message.format(image=image, registry=registry),
                details=error.details[-3:],
                hint=hint.format(image=image, registry=registry),
            )
    if not registries and source.is_path and source.path is not None and not source.path.exists():
        return ImageError(f"no such file or folder: {source.path}")
    verb = f"copy {source} to {target}" if target is not None else f"read {source}"
    kind = RegistryError if registries else ImageError
    return kind(f"skopeo could not {verb}", details=error.details[-5:])
