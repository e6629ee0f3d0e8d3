"""What a request's build and detect phases see of the host, besides the source."""

from dataclasses import dataclass

from locald.config.resolution import Resolution


@dataclass(frozen=True, kw_only=True)
class MountRequest:
    """Volumes, service bindings and secrets."""


def resolve_mounts(resolution: Resolution) -> MountRequest:
    """--volume, --binding, --secret, and the keys of the files."""
    return MountRequest()
