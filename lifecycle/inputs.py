"""What the five phases are told. Pure data."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from lifecycle.platform_api import PlatformApi
from oci.reference import Reference

# The names of the images inside the layout directory. They are ours alone: what the lifecycle
# calls an image never leaves the build, because it reads `localhost/app` as a Docker Hub name.
APP_IMAGE = Reference("locald.internal", "app", "latest")
PREVIOUS_IMAGE = Reference("locald.internal", "previous", "latest")
# The exporter parses a path made of this name as a repository, which a real one with a port or
# with capital letters in its tag does not survive.
RUN_IMAGE = Reference("locald.internal", "run", "latest")
# The run image as extensions left it: another one, or one with layers of theirs.
EXTENDED_RUN_IMAGE = Reference("locald.internal", "extended-run", "latest")


@dataclass(frozen=True, kw_only=True)
class MountPaths:
    """Where a phase finds its files, inside the container."""

    app: PurePosixPath = PurePosixPath("/workspace")
    layers: PurePosixPath = PurePosixPath("/layers")
    platform: PurePosixPath = PurePosixPath("/platform")
    cache: PurePosixPath = PurePosixPath("/cache")
    layout: PurePosixPath = PurePosixPath("/layout-repo")
    build_cache: PurePosixPath = PurePosixPath("/build-cache")
    buildpacks: PurePosixPath = PurePosixPath("/cnb/buildpacks")
    lifecycle: PurePosixPath = PurePosixPath("/cnb/lifecycle")
    temporary: PurePosixPath = PurePosixPath("/tmp")

    @property
    def run_toml(self) -> PurePosixPath:
        """The run images, the chosen one first."""
        return self.layers / "run.toml"

    @property
    def order_toml(self) -> PurePosixPath:
        """The order of this build, when it is not the builder's own."""
        return self.layers / "order.toml"

    @property
    def system_toml(self) -> PurePosixPath:
        """No system buildpacks, when those of the builder are not to take part."""
        return self.layers / "system.toml"

    @property
    def project_metadata(self) -> PurePosixPath:
        """Where the source came from."""
        return self.layers / "project-metadata.toml"

    @property
    def report(self) -> PurePosixPath:
        """What the exporter says it made."""
        return self.layers / "report.toml"


def mount_paths(workspace: str | None) -> MountPaths:
    """The places of a build whose source has the folder `/WORKSPACE`; None: the usual one."""
    return MountPaths() if workspace is None else MountPaths(app=PurePosixPath("/", workspace))


@dataclass(frozen=True, kw_only=True)
class LifecycleInputs:
    """One build's inputs, as the phases need them.

    run_image: as run.toml names it.
    has_previous: is there an image at PREVIOUS_IMAGE in the layout directory?
    own_order: is there an order.toml of this build's own in the layers directory?
    own_system: is there a system.toml of this build's own beside it?
    skip_layers: neither restore nor reuse anything (`--clear-cache`).
    process_type: the default process, or None to leave it to the buildpacks.
    created_seconds: since 1970, what the image says; None leaves it to the lifecycle's constant.
    """

    api: PlatformApi
    paths: MountPaths
    uid: int
    gid: int
    run_image: Reference
    has_previous: bool
    own_order: bool
    skip_layers: bool
    process_type: str | None
    exec_env: str
    created_seconds: int | None = None
    own_system: bool = False
    color: bool = False
