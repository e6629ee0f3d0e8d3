"""What skopeo's failures mean: its own words → an error with cause and remedy."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from oci import registry_errors
from oci.auth import Credential
from oci.errors import DISK_FULL_HINT, CommandError, Error, ImageError, RegistryError, StorageError
from oci.location import ImageLocation, Transport
from oci.persist import Transient
from oci.reference import Reference
from oci.registry_errors import stalled

_Who = Callable[[Reference], Credential | None]
_Make = Callable[[Reference, Sequence[str], _Who], RegistryError]

_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_POLICY = re.compile(r"Source image rejected|rejected by policy")
# What only the target's side of a copy says.
_TARGET = re.compile(
    r"initializing destination|trying to reuse blob|writing (?:blob|manifest|config)|at destination"
    r"|uploading|checking (?:for|whether) .* exists",
    re.IGNORECASE,
)
_WRONG_DIGEST = re.compile(
    r"digest did not match|does not match (?:provided manifest digest|expected)", re.IGNORECASE
)
_STATUS = re.compile(r"status(?: code)?(?: from registry)?:? (5\d\d)", re.IGNORECASE)


class _Teller(Protocol):
    def __call__(self, image: Reference, *, details: Sequence[str] = ()) -> RegistryError: ...


def _keyword(tell: _Teller) -> _Make:
    return lambda image, details, _: tell(image, details=details)


def _refused(image: Reference, details: Sequence[str], who: _Who) -> RegistryError:
    return registry_errors.refused(image, who(image), details=details)


def _no_platform(image: Reference, details: Sequence[str], _: _Who) -> RegistryError:
    return RegistryError(
        f"{image} has no image for this platform",
        details=details,
        hint="choose another image, or another --platform",
    )


def _failing(image: Reference, details: Sequence[str], _: _Who) -> RegistryError:
    found = _STATUS.search("\n".join(details))
    status = found.group(1) if found else ""
    return registry_errors.failing(image, f"it answered {status}".rstrip(), details=details)


def _stalled(image: Reference, details: Sequence[str], _: _Who) -> RegistryError:
    return stalled(image, None, details=details)


def damaged(image: Reference, *, details: Sequence[str] = ()) -> RegistryError:
    """What came is not what the registry was asked for, or no document at all."""
    return RegistryError(
        f"{image}: what came from the registry is damaged",
        details=details,
        hint="try again; when it stays so, ask who runs the registry, or a proxy before it",
    )


# The first match wins. Those with True are worth another try.
_CAUSES: tuple[tuple[str, _Make, bool], ...] = (
    # After several tries of skopeo's own.
    (r"toomanyrequests|too many requests", _keyword(registry_errors.limited), False),
    (
        r"unauthorized|authentication required|(?<!permission )denied|403 \(?Forbidden"
        r"|invalid username/password",
        _refused,
        False,
    ),
    (
        r"manifest unknown|not found: manifest|404 \(?Not Found|name unknown|repository name not",
        _keyword(registry_errors.missing),
        False,
    ),
    (r"invalid character .* (?:after|looking for)|unexpected end of JSON", _keyword(damaged), True),
    (r"no image found in (?:image index|manifest list) for", _no_platform, False),
    (r"x509|certificate", _keyword(registry_errors.untrusted), False),
    (
        r"server gave HTTP response to HTTPS client",
        _keyword(registry_errors.plain_http),
        False,
    ),
    (_STATUS.pattern, _failing, True),
    (r"i/o timeout|TLS handshake timeout|Client\.Timeout|deadline exceeded", _stalled, True),
    (r"connection refused", _keyword(registry_errors.unreachable), True),
    (r"EOF|connection reset|broken pipe", _keyword(registry_errors.broken_off), True),
    (
        r"no such host|server misbehaving|dial tcp|network is unreachable"
        r"|pinging container registry",
        _keyword(registry_errors.unreachable),
        False,
    ),
)


def explain(
    error: CommandError,
    source: ImageLocation,
    target: ImageLocation | None,
    *,
    who: _Who,
) -> Error | Transient:
    """The failure as an error that names cause, image and remedy; Transient when another try may
    help. who: tells which credential was used for an image."""
    said = "\n".join(error.details)
    if _DISK_FULL.search(said):
        return StorageError(f"the disk is full (while copying to {target})", hint=DISK_FULL_HINT)
    if _POLICY.search(said):
        return ImageError(
            f"the policy of this host refuses {source}",
            details=error.details[-3:],
            hint="it is in ~/.config/containers/policy.json, else /etc/containers/policy.json",
        )
    image = _subject(said, source, target)
    if image is not None:
        if source.transport is Transport.REGISTRY and _WRONG_DIGEST.search(said):
            return Transient(damaged(image, details=error.details[-3:]))
        for pattern, make, again in _CAUSES:
            if re.search(pattern, said, re.IGNORECASE):
                told = make(image, error.details[-3:], who)
                return Transient(told) if again else told
    elif source.is_path and source.path is not None and not source.path.exists():
        return ImageError(f"no such file or folder: {source.path}")
    verb = f"copy {source} to {target}" if target is not None else f"read {source}"
    failed = f"skopeo could not {verb}"
    if image is not None:
        # Registries may answer with words of their own, and skopeo then keeps the status to itself.
        hint = f"see that the name is right; log in with: skopeo login {image.registry}; try again"
        return RegistryError(failed, details=error.details[-5:], hint=hint)
    return ImageError(failed, details=error.details[-5:])


def _subject(said: str, source: ImageLocation, target: ImageLocation | None) -> Reference | None:
    """The registry's image that the words are about: between two registries, that of the side
    that failed."""
    from_ = source.reference if source.transport is Transport.REGISTRY else None
    to = None
    if target is not None and target.transport is Transport.REGISTRY:
        to = target.reference
    if from_ is not None and to is not None:
        return to if _TARGET.search(said) else from_
    return to or from_
