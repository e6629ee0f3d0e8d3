"""What every build of this process shares."""

from dataclasses import dataclass

from locald.paths import Paths
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Child processes, images, folders."""

    runner: CommandRunner
    skopeo: Skopeo
    store: ImageStore
    paths: Paths
