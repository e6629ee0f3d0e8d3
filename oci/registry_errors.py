"""What registries and the ways to them do wrong, each with its cause and its remedy.

The one place of these words: for what our own client meets and for what skopeo tells.
"""

import re
from collections.abc import Sequence

from oci.auth import Credential
from oci.errors import MissingImageError, RegistryError, StalledError
from oci.reference import Reference

DAMAGED_HINT = "a proxy may have changed it; else the image is damaged there: push it again"


class RegistryTimeoutError(StalledError, RegistryError):
    """A registry did not answer in time."""


class AccessRefusedError(RegistryError):
    """401 or 403: not logged in, not allowed, or, with some registries, not there."""


class WrongLoginError(AccessRefusedError):
    """The registry does not know the user, or not with this password."""


def refused(
    image: Reference, credential: Credential | None, *, details: Sequence[str] = ()
) -> AccessRefusedError:
    """401 or 403. A credential that was shown is named by its origin, never by its content."""
    if credential is None:
        return AccessRefusedError(
            f"{image}: the registry refused access",
            details=details,
            hint=f"see that the name is right; log in with: skopeo login {image.registry}",
        )
    return AccessRefusedError(
        f"{image}: the registry refused access with the login from {credential.origin}",
        details=details,
        hint=f"see that this user may do it, or log in again: skopeo login {image.registry}",
    )


def wrong_login(image: Reference, credential: Credential) -> WrongLoginError:
    """401 to a password itself."""
    return WrongLoginError(
        f"the registry {image.registry} does not accept the login from {credential.origin}",
        hint=f"log in again: skopeo login {image.registry}",
    )


def missing(image: Reference, *, details: Sequence[str] = ()) -> MissingImageError:
    """404."""
    return MissingImageError(
        f"{image} does not exist in its registry",
        details=details,
        hint="see that the name and the tag are right",
    )


def limited(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """429."""
    return RegistryError(
        f"the registry {image.registry} limits how often it may be asked for {image}",
        details=details,
        hint=f"wait, or log in: skopeo login {image.registry}",
    )


def failing(image: Reference, said: str, *, details: Sequence[str] = ()) -> RegistryError:
    """5xx, after all tries."""
    return RegistryError(
        f"the registry {image.registry} fails for {image}: {said}",
        details=details,
        hint="this is the registry's own trouble: try again later, or ask who runs it",
    )


def untrusted(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """Its certificate is not signed by anybody we know."""
    registry = image.registry
    return RegistryError(
        f"the certificate of the registry {registry} is not trusted",
        details=details,
        hint=f"name the folder of its CA's .crt file with --cert-dir, or put that file into "
        f"/etc/containers/certs.d/{registry}/",
    )


def plain_http(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """It does not speak TLS."""
    return RegistryError(
        f"the registry {image.registry} speaks HTTP, not HTTPS",
        details=details,
        hint=f"if that is meant to be: --insecure-registry {image.registry}",
    )


def unreachable(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """No way there."""
    return RegistryError(
        f"the registry {image.registry} cannot be reached for {image}",
        details=details,
        hint="see that this host has a way to it (network, proxy); without one, "
        "`locald builder create --embedded` makes a builder here",
    )


def broken_off(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """The connection ended in the middle."""
    return RegistryError(
        f"the registry {image.registry} broke off for {image}, again and again",
        details=details,
        hint="see the network and the proxy between this host and it, or try again later",
    )


def stalled(
    image: Reference, seconds: float | None, *, details: Sequence[str] = ()
) -> RegistryTimeoutError:
    """It is silent; for how long, where that is known."""
    within = "in time" if seconds is None else f"within {seconds:g} s"
    return RegistryTimeoutError(
        f"the registry {image.registry} did not answer {within} for {image}",
        details=details,
        hint="see the network and the proxy between this host and it, or try again later",
    )


def lying(image: Reference, what: str) -> RegistryError:
    """What it sent is not what was asked for."""
    return RegistryError(
        f"{image}: the registry sent {what}",
        hint=DAMAGED_HINT,
    )


def refused_answer(
    image: Reference, status: int, body: bytes, credential: Credential | None
) -> RegistryError:
    """What an answer that is no success means for this image."""
    details = registry_words(body)
    if status in (401, 403):
        return refused(image, credential, details=details)
    if status == 404:
        return missing(image, details=details)
    return RegistryError(
        f"{image}: the registry answered {status}",
        details=details,
        hint="see that the name is right, and that the registry takes images of this kind",
    )


def registry_words(body: bytes) -> tuple[str, ...]:
    """The `message`s of a registry's error document, for people; never more than three."""
    found = re.findall(rb'"message"\s*:\s*"([^"\\]{1,200})"', body[:4096])
    return tuple(word.decode(errors="replace") for word in found[:3])
