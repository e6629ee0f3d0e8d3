"""Names that locald gives to what it can make again: images that extensions changed, and the root
filesystems that builders are made of."""

from oci.reference import LOCALHOST, Reference

_REPOSITORIES = frozenset({"locald/extended-run", "locald/extended-build", "locald/rootfs"})


def remakeable(name: Reference) -> bool:
    """Did nobody choose this name?"""
    return name.registry == LOCALHOST and name.repository in _REPOSITORIES
