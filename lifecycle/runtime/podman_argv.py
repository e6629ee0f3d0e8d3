"""Podman's command lines, as data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from lifecycle.runtime.spec import ContainerSpec, Mount, Network, OverlayMount
from oci.errors import ContainerError

# What podman, its Go runtime or the loader would take for itself from its own environment.
_PODMANS_OWN = re.compile(
    r"_?CONTAINER|STORAGE_|XDG_|LD_|GO|DBUS_|LISTEN_|NOTIFY_|PATH$|HOME$|TMPDIR$|TZ$|USER$|"
    r"LOGNAME$|REGISTRY_AUTH_FILE$|(HTTPS?|ALL|NO|FTP)_PROXY$|SSL_CERT_",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class PodmanState:
    """Where podman keeps things for one sandbox, and which OCI runtime it uses."""

    folder: Path
    runtime: str | None = None

    @property
    def containers_conf(self) -> Path:
        """Our containers.conf."""
        return self.folder / "containers.conf"

    @property
    def mounts_conf(self) -> Path:
        """Our empty mounts.conf, in the place of the host's entitlements."""
        return self.folder / "mounts.conf"

    @property
    def pause_file(self) -> Path:
        """Where podman notes the process that holds its namespaces open."""
        return self.folder / "tmp/pause.pid"

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """A podman command on this state."""
        return (
            "podman",
            "--root", str(self.folder / "root"),
            "--runroot", str(self.folder / "run"),
            "--tmpdir", str(self.folder / "tmp"),
            "--storage-driver", "vfs",
            "--default-mounts-file", str(self.mounts_conf),
            "--log-level", "error",
            *(("--runtime", self.runtime) if self.runtime else ()),
            *arguments,
        )  # fmt: skip


def run_argv(
    spec: ContainerSpec,
    state: PodmanState,
    *,
    rootfs: Path,
    volumes: Sequence[str],
    seccomp: Path,
    env_file: Path,
    named: bool = True,
    pid_file: Path | None = None,
) -> tuple[str, ...]:
    """The command of one container. The values of variables are not in it: others can read it.

    named: with a host name of its own; podman then sets it, and so shares the outer one without.
    pid_file: where podman tells the container's first process.
    """
    return state.argv(
        "run",
        "--rm",
        "--name", spec.name,
        *(("--pidfile", str(pid_file)) if pid_file is not None else ()),
        f"--userns=keep-id:uid={spec.user},gid={spec.group}",
        "--user", f"{spec.user}:{spec.group}",
        "--cap-drop=all",
        "--security-opt", "no-new-privileges",
        "--security-opt", "label=disable",
        "--security-opt", f"seccomp={seccomp}",
        "--ipc=private", "--pid=private", "--cgroupns=private",
        *(("--uts=private", "--hostname", spec.hostname) if named else ("--uts=host",)),
        *_network_options(spec),
        "--no-hosts",
        "--http-proxy=false",
        "--unsetenv-all",
        "--env-file", str(env_file),
        *(word for name in sorted(spec.env) if not in_env_file(name) for word in ("--env", name)),
        "--log-driver=none",
        "--sig-proxy=false",
        "--systemd=false",
        *(("--read-only", "--read-only-tmpfs=false") if spec.read_only_root else ()),
        *(f"--ulimit={_ulimit(name, limit)}" for name, limit in sorted(spec.rlimits.items())),
        *(word for volume in volumes for word in ("--volume", volume)),
        "--workdir", str(spec.cwd),
        "--entrypoint", "",
        "--rootfs", f"{rootfs}:O",
        *spec.argv,
    )  # fmt: skip


def in_env_file(name: str) -> bool:
    """Must a variable come from a file, because podman would take it from its environment?"""
    return _PODMANS_OWN.match(name) is not None


def env_file_text(env: Mapping[str, str]) -> str:
    """The variables that podman may not get in its own environment, one per line."""
    lines = []
    for name, value in sorted(env.items()):
        if in_env_file(name):
            if "\n" in value or value != value.strip():
                raise ContainerError(f"podman cannot pass the value of {name}: it spans lines")
            lines.append(f"{name}={value}\n")
    return "".join(lines)


def volume(mount: Mount) -> str:
    """`-v` for a bind mount."""
    access = "ro" if mount.read_only else "rw"
    return f"{mount.source}:{mount.target}:{access},rbind,rprivate,nosuid,nodev"


def overlay_volume(overlay: OverlayMount) -> str:
    """`-v` for an overlay whose upper and work directory are there already."""
    upper, work = overlay.scratch / "upper", overlay.scratch / "work"
    return f"{overlay.lower}:{overlay.target}:O,upperdir={upper},workdir={work}"


def _network_options(spec: ContainerSpec) -> tuple[str, ...]:
    match spec.network:
        case Network.NONE:
            return ("--network=none",)
        case Network.HOST:
            return ("--network=host",)
        case Network.PRIVATE:
            ports = (f"--publish=127.0.0.1:{port.host}:{port.container}" for port in spec.ports)
            return ("--network=slirp4netns:mtu=65520,allow_host_loopback=false", *ports)
        case _:
            assert_never(spec.network)


def _ulimit(name: str, limit: int) -> str:
    return f"{name.removeprefix('RLIMIT_').lower()}={limit}:{limit}"
