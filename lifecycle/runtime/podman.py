"""Containers by podman: where raw user namespaces are refused but podman's are allowed, or where
only crun is installed. Slower than runc (0.2 s a container), the same isolation.

Podman keeps its state below the sandbox's scratch folder: the user's own containers and images
are neither seen nor needed. A container of podman's outlives its client, so a *watchdog* waits on
our lifeline and removes what is left when this process dies in whatever way.
"""

import logging
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Self, assert_never

from lifecycle.runtime.container_files import write_container_files
from lifecycle.runtime.network import require_tun
from lifecycle.runtime.rootfs_lint import check_rootfs
from lifecycle.runtime.spec import ContainerSpec, Mount, Network, OverlayMount, RuntimeName
from oci.errors import ContainerError, HostError
from oci.idmap import IdMap, SubordinateIds
from oci.overlay import prepare_upper
from oci.process import Command, CommandResult, CommandRunner, LineSink, find_tool, missing_tool

log = logging.getLogger(__name__)

# Replaces every containers.conf of the host: no mounts, hooks, devices or variables from there.
_CONTAINERS_CONF = """\
[containers]
default_sysctls = []
http_proxy = false
pids_limit = 0

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
hooks_dir = []
lock_type = "file"
"""

# What podman, its Go runtime or the loader would take for itself from its own environment.
_PODMANS_OWN = re.compile(
    r"_?CONTAINER|STORAGE_|XDG_|LD_|GO|DBUS_|LISTEN_|NOTIFY_|PATH$|HOME$|TMPDIR$|TZ$|USER$|"
    r"LOGNAME$|REGISTRY_AUTH_FILE$|(HTTPS?|ALL|NO|FTP)_PROXY$|SSL_CERT_",
    re.IGNORECASE,
)
# Podman splits `-v` at colons and commas, and reads quotes.
_UNSAFE_IN_VOLUME = re.compile(r"[:,\\\"'\s\x00-\x1f\x7f]|[\udc80-\udcff]")

# Podman takes no longer --runroot, and no link to one. The containers' changes go there, so the
# other place is one that is on disk everywhere.
_LONGEST_RUNROOT = 50
_SHORT_FOLDER = "/var/tmp"

# $0 is the temporary folder, $1 podman's, the rest a podman command without its verb. The second
# time catches a container that a client was still making. The process in pause.pid holds podman's
# namespaces open.
_WATCHDOG = """\
folder=$1; shift; cat >/dev/null
"$@" rm --all --force --time 0; sleep 1; "$@" rm --all --force --time 0
"$@" unshare rm -rf -- "$folder/run"
kill -9 "$(cat "$folder/tmp/pause.pid")"
rm -rf -- "$folder" "$0"
"""


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
) -> tuple[str, ...]:
    """The command of one container. The values of variables are not in it: others can read it."""
    return state.argv(
        "run",
        "--rm",
        "--name", spec.name,
        f"--userns=keep-id:uid={spec.user},gid={spec.group}",
        "--user", f"{spec.user}:{spec.group}",
        "--cap-drop=all",
        "--security-opt", "no-new-privileges",
        "--security-opt", "label=disable",
        "--security-opt", f"seccomp={seccomp}",
        "--ipc=private", "--pid=private", "--uts=private", "--cgroupns=private",
        *_network_options(spec),
        "--hostname", spec.hostname,
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


class PodmanRuntime:
    """Needs subordinate ids, and podman 4.3 or later."""

    name = RuntimeName.PODMAN

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def id_map(self, uid: int, gid: int) -> IdMap:
        """The same map as runc's: podman calls it keep-id."""
        return IdMap(uid, gid)

    @contextmanager
    def open(self, scratch: Path) -> Iterator["PodmanSandbox"]:
        """See `ContainerRuntime.open`."""
        if find_tool("podman") is None:
            raise missing_tool("podman")
        if not SubordinateIds.of_current_user().usable:
            raise HostError(
                "podman needs subordinate ids for this user",
                hint="give it a range: sudo usermod --add-subuids 100000-165535 "
                "--add-subgids 100000-165535 $USER",
            )
        with PodmanSandbox(self._runner, scratch) as sandbox:
            yield sandbox


class PodmanSandbox:
    """The containers of one build, one after another."""

    def __init__(self, runner: CommandRunner, scratch: Path) -> None:
        self._runner = runner
        self._scratch = scratch
        self._count = 0
        # crun refuses some cgroup layouts that runc takes.
        runtime = "runc" if find_tool("runc") else None
        self._temporary = Path(tempfile.mkdtemp(prefix="locald-", dir=_SHORT_FOLDER))
        self._link_count = 0
        folder = scratch / "podman"
        if len(str(folder / "run")) > _LONGEST_RUNROOT:
            folder = self._temporary / "podman"
        folder.mkdir()
        self._state = PodmanState(folder=folder, runtime=runtime)
        self._state.containers_conf.write_text(_CONTAINERS_CONF)
        self._state.mounts_conf.touch()
        self._seccomp = self._state.folder / "seccomp.json"
        self._seccomp.write_bytes(
            resources.files("lifecycle.runtime").joinpath("seccomp.json").read_bytes()
        )
        self._watchdog = runner.start(
            Command(
                argv=(
                    *("sh", "-c", _WATCHDOG, str(self._temporary), str(folder)),
                    *self._state.argv(),
                ),
                env=self._own_env(),
            )
        )

    def prepare(self, spec: ContainerSpec) -> None:
        """Podman has nothing to prepare."""

    def run(self, spec: ContainerSpec, *, on_line: LineSink) -> int:
        """See `Sandbox.run`."""
        if spec.network is Network.PRIVATE:
            require_tun()
        command = self._command(spec)
        try:
            result = self._runner.begin(command).finish(
                on_line=on_line, check=False, ask_to_stop=lambda: self._terminate(spec)
            )
        except BaseException:
            self._podman(*self._remove_all_argv())
            raise
        return _exit_code(spec, result)

    def remove_tree(self, path: Path) -> None:
        """See `Sandbox.remove_tree`."""
        if path.exists() or path.is_symlink():
            self.unshare("rm", "-rf", "--one-file-system", "--", str(path))

    def unshare(self, *inner: str) -> None:
        """Run a command as root of podman's user namespace."""
        self._podman(*self._state.argv("unshare", *inner), check=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget podman's state; every container has ended by now."""
        try:
            for folder in (self._scratch / "containers", self._state.folder / "run"):
                self._delete(folder)
        finally:
            self._watchdog.abandon()
            self._end_pause_process()
            shutil.rmtree(self._state.folder, ignore_errors=True)
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _terminate(self, spec: ContainerSpec) -> None:
        self._podman(*self._state.argv("kill", "--signal", "TERM", spec.name))

    def _delete(self, folder: Path) -> None:
        """Mostly all files are ours; podman is slow to start, so ask it only for the others."""
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            self.remove_tree(folder)

    def _end_pause_process(self) -> None:
        with suppress(OSError, ValueError):
            pid = int(self._state.pause_file.read_text())
            if Path("/proc", str(pid), "comm").read_text().startswith(("podman", "catatonit")):
                os.kill(pid, signal.SIGKILL)

    def _command(self, spec: ContainerSpec) -> Command:
        self._count += 1
        folder = self._scratch / "containers" / f"{self._count}-{spec.name}"
        (folder / "files").mkdir(parents=True)
        files = write_container_files(spec, folder / "files")
        check_rootfs(spec.rootfs, spec.targets)
        for overlay in spec.overlays:
            first_time = not (overlay.scratch / "upper").exists()
            prepare_upper(overlay.lower, overlay.scratch, overlay.hidden if first_time else ())
        env_file = folder / "env"
        env_file.touch(mode=0o600)
        env_file.write_text(env_file_text(spec.env))
        volumes = [volume(replace(m, source=self._safe(m.source))) for m in (*files, *spec.mounts)]
        for overlay in spec.overlays:
            volumes.append(
                overlay_volume(
                    replace(
                        overlay,
                        lower=self._safe(overlay.lower),
                        scratch=self._safe(overlay.scratch),
                    )
                )
            )
        argv = run_argv(
            spec,
            self._state,
            rootfs=self._safe(spec.rootfs),
            volumes=volumes,
            seccomp=self._seccomp,
            env_file=env_file,
        )
        values = {name: value for name, value in spec.env.items() if not in_env_file(name)}
        return Command(
            argv=argv,
            env={**values, **self._own_env()},
            stop_grace_seconds=spec.stop_grace_seconds,
        )

    def _safe(self, path: Path) -> Path:
        """The path, or a link to it when podman would misread it."""
        if _UNSAFE_IN_VOLUME.search(str(path)) is None:
            return path
        self._link_count += 1
        link = self._temporary / str(self._link_count)
        link.symlink_to(path)
        return link

    def _own_env(self) -> dict[str, str]:
        env = {"CONTAINERS_CONF": str(self._state.containers_conf)}
        if not _is_own_folder(os.environ.get("XDG_RUNTIME_DIR", "")):
            # As `su` leaves it; without one podman finds a place of its own.
            env["XDG_RUNTIME_DIR"] = ""
        return env

    def _remove_all_argv(self) -> tuple[str, ...]:
        return self._state.argv("rm", "--all", "--force", "--time", "0")

    def _podman(self, *argv: str, check: bool = False) -> CommandResult:
        return self._runner.run(Command(argv=argv, env=self._own_env()), check=check)


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


def _exit_code(spec: ContainerSpec, result: CommandResult) -> int:
    """Podman's own 125 to 127 are told apart from the container's by podman's last line."""
    words = result.stderr_tail[-1:] or ("",)
    own = result.exit_code == 125 or (
        result.exit_code in (126, 127) and words[0].startswith("Error: ")
    )
    if own or result.exit_code < 0:
        raise ContainerError(
            f"podman could not run the container {spec.name}", details=result.stderr_tail
        )
    return result.exit_code


def _is_own_folder(path: str) -> bool:
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return False
    return status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
