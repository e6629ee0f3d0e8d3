"""Image references: `registry/repository:tag@digest`, parsed once at the edge."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Self

from oci.digest import Digest
from oci.errors import UsageError

DOCKER_HUB = "docker.io"
LOCALHOST = "localhost"
DEFAULT_TAG = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST_COMPONENT = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(
    rf"(?:{_HOST_COMPONENT}(?:\.{_HOST_COMPONENT})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
)
_MAX_LENGTH = 255


@dataclass(frozen=True)
class Reference:
    """A name of an image. `tag` and `digest` are empty or None when not given.

    Names without a registry belong to Docker Hub, as every tool reads them; the registry
    `localhost` (without a port) is where podman keeps images that no registry has.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_registry: str = DOCKER_HUB) -> Self:
        """From `[registry/]repository[:tag][@sha256:…]`; raises UsageError.

        default_registry: whose names lack one: Docker Hub, or `localhost` for what we build.
        Source: distribution/reference, the grammar that skopeo and podman share.
        """
        name, _, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if _digest_given(text, digest_text) else None
        head, slash, rest = name.partition("/")
        if slash and ("." in head or ":" in head or head == LOCALHOST or head.startswith("[")):
            registry, path = head, rest
        else:
            registry, path = default_registry, name
        repository, colon, tag = path.partition(":")
        if registry == "index.docker.io":
            registry = DOCKER_HUB
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        if (
            not _REGISTRY.fullmatch(registry)
            or not _REPOSITORY.fullmatch(repository)
            or (colon and not _TAG.fullmatch(tag))
            or len(registry) + len(repository) > _MAX_LENGTH
        ):
            raise malformed(text)
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """`registry/repository`, without tag or digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """As people write it: without `docker.io/`, `library/` and `localhost/`."""
        short = str(self)
        for prefix in (f"{DOCKER_HUB}/library/", f"{DOCKER_HUB}/", f"{LOCALHOST}/"):
            short = short.removeprefix(prefix)
        return short

    def with_default_tag(self) -> Self:
        """This reference, with the tag `latest` when it has neither tag nor digest."""
        if self.tag or self.digest:
            return self
        return replace(self, tag=DEFAULT_TAG)

    def with_digest(self, digest: Digest) -> Self:
        """The same repository at exactly this content, without a tag."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def layout_subpath(reference: Reference) -> PurePosixPath:
    """Where the lifecycle looks for an image inside the layout directory.

    Tag:    docker.io/library/app:1.2   -> index.docker.io/library/app/1.2
    Digest: ghcr.io/acme/app@sha256:ab… -> ghcr.io/acme/app/sha256/ab…
    Podman: localhost/app:1.2             -> index.docker.io/localhost/app/1.2
    Source: CNB platform spec 0.15, "Map an image reference to a path in the layout directory".
    The lifecycle does not know `localhost` without a port as a registry.
    """
    prefixes = {DOCKER_HUB: "index.docker.io", LOCALHOST: f"index.docker.io/{LOCALHOST}"}
    prefix = prefixes.get(reference.registry, reference.registry)
    root = PurePosixPath(prefix, reference.repository)
    if reference.digest is not None:
        return root / "sha256" / reference.digest.hex
    return root / (reference.tag or DEFAULT_TAG)


def malformed(text: str) -> UsageError:
    """The error for text that is no reference."""
    hint = "write it like registry.example/team/app:1.0, in lower case"
    if text != text.lower() and _REPOSITORY.fullmatch(text.lower().partition(":")[0]):
        hint = f"image names are lower case: {text.lower()}"
    return UsageError(f"not an image reference: {text[:200]!r}", hint=hint)


def _digest_given(text: str, digest_text: str) -> bool:
    if "@" not in text:
        return False
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest_text):
        raise malformed(text)
    return True
