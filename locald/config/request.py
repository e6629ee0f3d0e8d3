"""What one build is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.runtime.limits import Limits
from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.artifacts import ArtifactRequest
from locald.config.caching import CacheRequest
from locald.config.creation_time import CreationTime
from locald.config.environment import DEFAULT_EXEC_ENV
from locald.config.ignore import SourceRules
from locald.config.image_source import ImageSource
from locald.config.modules import ModuleRequest
from locald.config.mounts import MountRequest
from locald.config.project_toml import ProjectMetadata
from locald.config.pull_policy import PullPolicy
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference
from oci.skopeo import RegistryAccess


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One image to build. Every path is absolute, every name parsed.

    app_dir: the folder that is built.
    project_dir: what the project is known by: its folder, in which app_dir is, or the archive
        that app_dir was unpacked from.
    names: what the image is called, with the tag `latest` where none was given.
    kept_names: by which of them, or others, this host knows it; empty means all.
    run_image_mirrors: of the user's own: run image → where it also is.
    previous_image: whose layers may be reused; None means the image that is replaced.
    env: for /platform/env.
    outputs: empty means the default place.
    sparse: oci: outputs come without the run image's layers.
    runtime: None means `auto`.
    workspace: the name of the source's folder below /; None means `workspace`.
    uid, gid: the build's user; None means the builder's.
    creation_time: None means the lifecycle's constant.
    timeout_seconds: of the whole build; None means no limit.
    limits: of the phases that run buildpacks; of the disk, of the whole build.
    process_type: the image's default process; None leaves it to the buildpacks.
    source_rules: for `ignore.scan_source(app_dir, source_rules)`.
    metadata: what project.toml says about the project, for the image's labels.
    if_changed: run no phase when the last image would come out again. None is as False, except
        that nothing is remembered for the next time. Of no effect with `explain`.
    detect_only: stop when it is known which buildpacks would take part.
    explain: tell what each of them said.
    notes: warnings for the user, one line each.
    origins: field name (`env.NAME` for a variable) → where its value came from, for `-v`.
    """

    app_dir: Path
    project_dir: Path
    project_name: str
    service: str | None
    names: tuple[Reference, ...]
    kept_names: tuple[Reference, ...] = ()
    builder: ImageSource
    run_image: ImageSource | None = None
    run_image_mirrors: Mapping[Reference, tuple[Reference, ...]] = field(default_factory=dict)
    previous_image: ImageSource | None = None
    platform: Platform
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    registries: RegistryAccess = field(default_factory=RegistryAccess)
    modules: ModuleRequest = field(default_factory=ModuleRequest)
    source_rules: SourceRules = field(default_factory=SourceRules)
    metadata: ProjectMetadata = field(default_factory=ProjectMetadata)
    env: Mapping[str, str] = field(default_factory=dict)
    exec_env: str = DEFAULT_EXEC_ENV
    mounts: MountRequest = field(default_factory=MountRequest)
    network: Network = Network.PRIVATE
    runtime: RuntimeName | None = None
    workspace: str | None = None
    uid: int | None = None
    gid: int | None = None
    creation_time: CreationTime | None = None
    timeout_seconds: int | None = None
    limits: Limits = field(default_factory=Limits)
    ca_cert: Path | None = None
    process_type: str | None = None
    caching: CacheRequest = field(default_factory=CacheRequest)
    outputs: tuple[ImageLocation, ...] = ()
    sparse: bool = False
    artifacts: ArtifactRequest = field(default_factory=ArtifactRequest)
    if_changed: bool | None = None
    detect_only: bool = False
    explain: bool = False
    notes: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def source_path(self) -> Path:
        """What people call the source: the folder that is built, or the archive it came in."""
        return self.project_dir if self.archived else self.app_dir

    @property
    def archived(self) -> bool:
        """Did the source come as one file? Its folder is then of this build only."""
        return not self.app_dir.is_relative_to(self.project_dir)

    @property
    def local_names(self) -> tuple[Reference, ...]:
        """The names in our store and in podman's storage."""
        return self.kept_names or self.names
