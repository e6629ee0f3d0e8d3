"""Where images come from and go to: `transport:target`, as skopeo writes it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from oci.errors import UsageError
from oci.reference import Reference


class Transport(StrEnum):
    """The transports of containers-transports(5) that carry whole images."""

    REGISTRY = "docker"
    STORAGE = "containers-storage"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DIRECTORY = "dir"


_PATH_TRANSPORTS = frozenset(
    {Transport.OCI, Transport.OCI_ARCHIVE, Transport.DOCKER_ARCHIVE, Transport.DIRECTORY}
)


@dataclass(frozen=True)
class ImageLocation:
    """One place of one image.

    reference: for registries and containers-storage; for archives the name written inside.
    path: for the transports that are files or folders; absolute.
    tag: the name inside an `oci` layout or `oci-archive`; empty for the only image.
    """

    transport: Transport
    reference: Reference | None = None
    path: Path | None = None
    tag: str = ""

    @classmethod
    def registry(cls, reference: Reference) -> Self:
        """The image of that name in its registry."""
        return cls(Transport.REGISTRY, reference=reference.with_default_tag())

    @classmethod
    def storage(cls, reference: Reference) -> Self:
        """The image of that name in podman's storage."""
        return cls(Transport.STORAGE, reference=reference.with_default_tag())

    @classmethod
    def layout(cls, path: Path, tag: str = "") -> Self:
        """An OCI image layout on disk."""
        return cls(Transport.OCI, path=path, tag=tag)

    @classmethod
    def parse(cls, text: str, *, relative_to: Path) -> Self:
        """From `docker://REF`, `containers-storage:REF`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
        `docker-archive:FILE[:REF]` or `dir:DIR`. Relative paths start at `relative_to`.
        """
        name, colon, target = text.partition(":")
        try:
            transport = Transport(name)
        except ValueError:
            transport = None
        if transport is None or not colon or not target.strip("/"):
            raise _no_location(text)
        if transport is Transport.REGISTRY:
            if not target.startswith("//"):
                raise UsageError(f"{text!r}: write docker://{target}")
            return cls.registry(Reference.parse(target.removeprefix("//")))
        if transport is Transport.STORAGE:
            return cls.storage(Reference.parse(target, default_registry="localhost"))
        path_text, tag = target, ""
        if transport is not Transport.DIRECTORY:
            path_text, _, tag = target.partition(":")
        if not path_text:
            raise _no_location(text)
        path = Path(relative_to, path_text).absolute()
        if transport is not Transport.DIRECTORY and ":" in str(path):
            raise UsageError(
                f"{path} has a colon in its path, where skopeo expects the image's name",
                hint="use another folder, or a link to it without a colon",
            )
        if transport is Transport.DOCKER_ARCHIVE and tag:
            return cls(transport, path=path, reference=Reference.parse(tag).with_default_tag())
        return cls(transport, path=path, tag=tag)

    @property
    def is_path(self) -> bool:
        """Is this a file or folder of this host?"""
        return self.transport in _PATH_TRANSPORTS

    def __str__(self) -> str:
        if self.transport is Transport.REGISTRY:
            return f"docker://{self.reference}"
        if self.transport is Transport.STORAGE:
            return f"containers-storage:{self.reference}"
        name = self.tag or ("" if self.reference is None else str(self.reference))
        return f"{self.transport}:{self.path}" + (f":{name}" if name else "")


def _no_location(text: str) -> UsageError:
    return UsageError(
        f"not an image location: {text[:200]!r}",
        hint="write TRANSPORT:TARGET with one of " + ", ".join(f"{t}:" for t in Transport),
    )


def is_location(text: str) -> bool:
    """Does this text name a transport (else it is a bare image reference)?"""
    name, colon, rest = text.partition(":")
    if not colon or name not in set(Transport):
        return False
    return name != Transport.REGISTRY or rest.startswith("//")
