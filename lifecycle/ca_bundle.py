"""Certificate authorities of the host, trusted inside the build and nowhere else.

Behind a proxy that inspects TLS every download of a buildpack fails unless it trusts the
proxy's CA. The host's bundle and the builder's own are joined and mounted over the builder's;
tools that bring a bundle of their own are told of it by their variables. Nothing of this is in
a layer, so nothing enters the image.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from oci.errors import UsageError

# Where distributions keep the bundle: Debian and Alpine, Fedora and RHEL, SUSE.
BUNDLE_PATHS = (
    PurePosixPath("/etc/ssl/certs/ca-certificates.crt"),
    PurePosixPath("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    PurePosixPath("/etc/ssl/ca-bundle.pem"),
)

# Which tools read what: OpenSSL and Go, curl, Python's requests, pip, Node, cargo, git.
VARIABLES = (
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
)

_MARK = b"-----BEGIN CERTIFICATE-----"
_CERTIFICATE = re.compile(_MARK + rb"[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----")
_MAX_BUNDLE_BYTES = 16 << 20


def host_bundle(given: Path | None) -> Path | None:
    """The host's bundle: the one given, else SSL_CERT_FILE's, else where distributions keep it."""
    if given is not None:
        if not given.is_file():
            raise UsageError(f"--ca-cert: no such file: {given}")
        if _MARK not in given.read_bytes():
            raise UsageError(
                f"--ca-cert: {given} holds no certificate", hint="give a file in PEM form"
            )
        return given
    named = os.environ.get("SSL_CERT_FILE", "")
    places = [Path(named)] if named else []
    places += [Path(path) for path in BUNDLE_PATHS]
    return next((p for p in places if p.is_file() and os.access(p, os.R_OK)), None)


def builder_bundle(rootfs: Path) -> PurePosixPath:
    """Where the builder's own bundle is, or would be."""
    for path in BUNDLE_PATHS:
        if (rootfs / path.relative_to("/")).is_file():
            return path
    return BUNDLE_PATHS[0]


def write_joined(target: Path, bundles: Iterable[Path]) -> None:
    """One file with the certificates of all, each once, and nothing else of what they hold.

    A builder's bundle may be a link to any file of this host; what it would lead to must not
    enter the build.
    """
    found = dict.fromkeys(one for bundle in bundles for one in certificates(bundle))
    target.write_bytes(b"".join(certificate + b"\n" for certificate in found))


def certificates(bundle: Path) -> tuple[bytes, ...]:
    """The certificates of a file, in PEM form, and nothing else of what it holds."""
    with bundle.open("rb") as file:
        return tuple(_CERTIFICATE.findall(file.read(_MAX_BUNDLE_BYTES)))


def variables(bundle: PurePosixPath) -> dict[str, str]:
    """What buildpacks get in /platform/env, the user's own values aside."""
    return dict.fromkeys(VARIABLES, str(bundle))
