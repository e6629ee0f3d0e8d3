"""Everything that this host knows of registries: who we are there, and where images really are.

Light: whoever talks to them is `oci.skopeo` or `oci.registry_clients`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oci.auth import Credential, Logins, Secret, auth_document
from oci.errors import UsageError
from oci.patience import Patience
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registries_conf import Endpoint, RegistriesConf

STALL_VARIABLE = "LOCALD_REGISTRY_TIMEOUT"


@dataclass(frozen=True, kw_only=True)
class RegistryAccess:
    """How registries are reached: what flags and the user's own configuration say.

    Credentials stay in the files they are in; here is only where those are.

    auth_file: instead of the standard places. cert_dir: `*.crt` are trusted, `*.cert` with
    `*.key` are shown; instead of certs.d. insecure: registries (`HOST[:PORT]`) that may have any
    certificate, or none. mirrors: registry, or `*`, → the places to fetch from first.
    """

    auth_file: Path | None = None
    cert_dir: Path | None = None
    insecure: frozenset[str] = frozenset()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patience: Patience | None = None


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one run of skopeo may know to reach one image.

    auth: an auth file with the credentials of the registries it will talk to; None for none.
    registries_conf: None where the files of this host say the same.
    """

    auth: Secret | None = None
    registries_conf: bytes | None = None
    cert_dir: Path | None = None
    tls_verify: bool = True


class Registries:
    """The registries as this user reaches them. Files are read when the first one is needed, and
    so is what `access` says where it is a function."""

    def __init__(
        self,
        runner: CommandRunner,
        access: RegistryAccess | Callable[[], RegistryAccess] | None = None,
    ) -> None:
        self._runner = runner
        self._given = access or RegistryAccess()

    @property
    def cert_dir(self) -> Path | None:
        """`--cert-dir`."""
        return self._access.cert_dir

    @cached_property
    def _access(self) -> RegistryAccess:
        return self._given if isinstance(self._given, RegistryAccess) else self._given()

    @cached_property
    def _logins(self) -> Logins:
        return Logins(self._runner, auth_file=self._access.auth_file)

    @cached_property
    def patience(self) -> Patience:
        """How long to bear with them."""
        if self._access.patience is not None:
            return self._access.patience
        text = os.environ.get(STALL_VARIABLE, "")
        if not text:
            return Patience()
        if not text.isdecimal() or not 0 < int(text) <= 3600:
            raise UsageError(
                f"{STALL_VARIABLE}={text[:50]!r} is no time",
                hint="write how many seconds a registry may be silent: 1 to 3600",
            )
        return Patience(stall_seconds=float(text))

    @cached_property
    def conf(self) -> RegistriesConf:
        """registries.conf, with what flags and the user's own file add."""
        return RegistriesConf.load(insecure=self._access.insecure, mirrors=self._access.mirrors)

    def credential(self, image: Reference) -> Credential | None:
        """Who we are for an image's repository."""
        return self._logins.find(image.registry, image.repository)

    def skopeo_pass(self, image: Reference) -> Pass:
        """What skopeo needs for this image, and nothing else."""
        endpoints = self.conf.endpoints(image)
        found = {e.reference.registry: self.credential(e.reference) for e in endpoints}
        credentials = {name: known for name, known in found.items() if known is not None}
        return Pass(
            auth=Secret(auth_document(credentials).decode()) if credentials else None,
            registries_conf=self.conf.for_skopeo(image),
            cert_dir=self.cert_dir,
            # For all places at once: only where there is just one.
            tls_verify=not (len(endpoints) == 1 and endpoints[0].insecure),
        )

    def endpoints(self, image: Reference) -> tuple[Endpoint, ...]:
        """Where to ask for an image, mirrors first."""
        return self.conf.endpoints(image)
