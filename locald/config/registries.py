"""How a request reaches registries."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from locald.config.errors import ConfigError, shown
from locald.config.flag_path import readable_path
from locald.config.project_files import blamed_on
from locald.config.resolution import Resolution, texts
from locald.config.user_config import UserConfig
from oci.errors import UsageError
from oci.reference import Reference
from oci.registries import RegistryAccess
from oci.registries_conf import is_location, is_registry

EVERY_REGISTRY = "*"


def resolve_registries(resolution: Resolution) -> RegistryAccess:
    """Only flags and the user's own file decide: a project's files choose neither credentials nor
    whom to trust."""
    flags = resolution.flags
    if flags.authfile is not None:
        resolution.origins["authfile"] = "--authfile"
    own = user_registries(resolution.user, resolution.user_file)
    for name, key, said in (
        ("insecure", "insecure-registries", own.insecure),
        ("mirrors", "registry-mirrors", own.mirrors),
    ):
        if said:
            resolution.origins[name] = resolution.user_key(key)
    named = (_registry(text, "--insecure-registry") for text in flags.insecure_registries)
    return replace(
        own,
        auth_file=readable_path(flags.authfile, "--authfile"),
        cert_dir=_folder(flags.cert_dir, "--cert-dir"),
        insecure=own.insecure.union(named),
    )


def user_registries(user: UserConfig, file: Path) -> RegistryAccess:
    """What the user's own file says: for commands without flags of their own."""
    origin = f"{shown(file)}: insecure-registries"
    return RegistryAccess(
        insecure=frozenset(_registry(text, origin) for text in user.insecure_registries),
        mirrors=_mirrors(user, file),
    )


def resolve_run_image_mirrors(
    resolution: Resolution,
) -> Mapping[Reference, tuple[Reference, ...]]:
    """`run-image-mirrors` of the user's file."""
    found = {}
    if resolution.user.run_image_mirrors:
        resolution.origins["run_image_mirrors"] = resolution.user_key("run-image-mirrors")
    for image, mirrors in resolution.user.run_image_mirrors.items():
        with blamed_on(resolution.user_key(f"run-image-mirrors.{image}")):
            found[Reference.parse(image).with_default_tag()] = tuple(
                Reference.parse(mirror).with_default_tag() for mirror in mirrors
            )
    return found


def _mirrors(user: UserConfig, file: Path) -> Mapping[str, tuple[str, ...]]:
    """`registry-mirrors`: registry, or `*` → where to fetch from first."""
    found = {}
    for registry, mirrors in user.registry_mirrors.items():
        origin = f"{shown(file)}: registry-mirrors.{registry}"
        if registry != EVERY_REGISTRY:
            _registry(registry, origin)
        for mirror in texts(mirrors):
            if not is_location(mirror):
                raise ConfigError(
                    f"{origin}: {mirror[:100]!r} is no registry",
                    hint="write HOST[:PORT][/PATH], without https://",
                )
        found[registry] = texts(mirrors)
    return found


def _registry(text: str, origin: str) -> str:
    if not is_registry(text):
        raise UsageError(
            f"{origin}: {text[:100]!r} is no registry",
            hint="write HOST or HOST:PORT, as in the image's name, without https:// and without "
            "a path",
        )
    return text


def _folder(path: Path | None, flag: str) -> Path | None:
    """A folder of certificates."""
    if path is None:
        return None
    if not path.is_dir():
        raise UsageError(
            f"{flag}: {path}: no such folder",
            hint="name the folder that holds the CA's certificate, as a file that ends in .crt",
        )
    return path.absolute()
