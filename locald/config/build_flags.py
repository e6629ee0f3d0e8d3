"""The command line of `locald build`, as it was written."""

from dataclasses import dataclass
from pathlib import Path

from lifecycle.runtime.spec import Network
from locald.config.pull_policy import PullPolicy


@dataclass(frozen=True, kw_only=True)
class BuildFlags:
    """A field for each flag, its text not yet read; None, False or empty where it is absent."""

    path: Path = Path()
    descriptor: Path | None = None
    ignore_files: tuple[Path, ...] = ()
    service: str | None = None

    tags: tuple[str, ...] = ()
    builder: str | None = None
    run_image: str | None = None
    previous_image: str | None = None
    pull_policy: PullPolicy | None = None
    process_type: str | None = None
    platform: str | None = None
    creation_time: str | None = None

    buildpacks: tuple[str, ...] = ()
    pre_buildpacks: tuple[str, ...] = ()
    post_buildpacks: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    disable_system_buildpacks: bool = False
    lifecycle: str | None = None

    env: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    exec_env: str | None = None
    volumes: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    network: Network | None = None
    workspace: str | None = None
    uid: int | None = None
    gid: int | None = None
    ca_cert: Path | None = None
    runtime: str | None = None
    """A `RuntimeName` or `auto`."""
    timeout: str | None = None
    memory: str | None = None
    pids: str | None = None
    max_disk: str | None = None

    cache: str | None = None
    cache_image: str | None = None
    cache_from: tuple[str, ...] = ()
    clear_cache: bool = False
    if_changed: bool | None = None

    outputs: tuple[str, ...] = ()
    publish: bool = False
    sparse: bool = False
    sbom_output_dir: Path | None = None
    report_output_dir: Path | None = None
    report: Path | None = None
    detect_only: bool = False
    explain: bool = False

    authfile: Path | None = None
    cert_dir: Path | None = None
    insecure_registries: tuple[str, ...] = ()
