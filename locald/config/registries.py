"""How a request reaches registries."""

from locald.config.flag_path import readable_path
from locald.config.resolution import Resolution
from oci.skopeo import RegistryAccess


def resolve_registries(resolution: Resolution) -> RegistryAccess:
    """Only flags and the user's own file decide: credentials are the user's."""
    return RegistryAccess(auth_file=readable_path(resolution.flags.authfile, "--authfile"))
