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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Self

from lifecycle.runtime.container_files import ETC_FILES, write_container_files
from lifecycle.runtime.hostname import may_name_containers
from lifecycle.runtime.limit_guard import LimitGuard
from lifecycle.runtime.memory import GATE, fill_when_told, memory_mounts, wrapped
from lifecycle.runtime.orphans import end_orphans
from lifecycle.runtime.outer import with_possible_network
from lifecycle.runtime.podman_argv import (
    PodmanState,
    env_file_text,
    in_env_file,
    overlay_volume,
    run_argv,
    volume,
)
from lifecycle.runtime.rootfs_lint import check_rootfs
from lifecycle.runtime.spec import UMASK, ContainerSpec, RuntimeName
from oci.errors import ContainerError
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

# Podman splits `-v` at colons and commas, and reads quotes.
_UNSAFE_IN_VOLUME = re.compile(r"[:,\\\"'\s\x00-\x1f\x7f]|[\udc80-\udcff]")

# Podman takes no longer --runroot, and no link to one. The containers' changes go there, so the
# other place is one that is on disk everywhere.
_LONGEST_RUNROOT = 50
SHORT_FOLDER = "/var/tmp"

# An overlay cannot lie on an overlay, which is what the files of an outer container lie on.
_NO_OVERLAY = re.compile(r"creating overlay failed|upperdir=.*invalid argument")
OVERLAY_HINT = (
    f"inside a container mount a volume at {SHORT_FOLDER}, where podman keeps what changes, and "
    f"set LOCALD_DATA_DIR to a folder in it ({SHORT_FOLDER}/locald), or use --runtime bwrap"
)

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
        SubordinateIds.of_current_user().require("podman")
        with PodmanSandbox(self._runner, scratch) as sandbox:
            yield sandbox


class PodmanSandbox:
    """The containers of one build, one after another."""

    def __init__(self, runner: CommandRunner, scratch: Path) -> None:
        self._runner = runner
        self._scratch = scratch
        self._count = 0
        self._named: bool | None = None  # not known yet
        # crun refuses some cgroup layouts that runc takes.
        runtime = "runc" if find_tool("runc") else None
        self._temporary = Path(tempfile.mkdtemp(prefix="locald-", dir=SHORT_FOLDER))
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
        spec = with_possible_network(spec)
        folder = self._new_folder(spec)
        guard = LimitGuard(spec, first_process=lambda: _number(_pid_file(folder)))
        command = self._command(spec, folder, guard)
        try:
            started = self._runner.begin(command)
            guard.follow(started.pid)
            if spec.memory:
                fill_when_told(spec, folder, started)
            result = started.finish(
                on_line=on_line, check=False, ask_to_stop=lambda: self._terminate(spec)
            )
            guard.look_back(result.exit_code)
        except BaseException:
            self._podman(*self._remove_all_argv())
            raise
        if result.exit_code < 0:  # podman itself was killed
            end_orphans(self._state.folder)
        return _exit_code(spec, result)

    def remove_tree(self, path: Path) -> None:
        """See `Sandbox.remove_tree`."""
        if path.exists() or path.is_symlink():
            self.unshare("rm", "-rf", "--one-file-system", "--", str(path))

    def inside(self, argv: tuple[str, ...]) -> Command:
        """See `Sandbox.inside`."""
        return Command(argv=self._state.argv("unshare", *argv), env=self._own_env())

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `Sandbox.folders`."""
        return (self._temporary,)

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

    def _new_folder(self, spec: ContainerSpec) -> Path:
        self._count += 1
        folder = self._scratch / "containers" / f"{self._count}-{spec.name}"
        (folder / "files").mkdir(parents=True)
        return folder

    def _command(self, spec: ContainerSpec, folder: Path, guard: LimitGuard) -> Command:
        files = write_container_files(spec, folder / "files")
        own = (mount.target for mount in files if mount.target not in ETC_FILES)
        check_rootfs(spec.rootfs, (*spec.targets, *own))
        for overlay in spec.overlays:
            first_time = not (overlay.scratch / "upper").exists()
            prepare_upper(
                overlay.lower,
                overlay.scratch,
                overlay.hidden if first_time else (),
                overlay.adopted if first_time else (),
            )
        env_file = folder / "env"
        env_file.touch(mode=0o600)
        env_file.write_text(env_file_text(spec.env))
        mounts = (*files, *memory_mounts(spec, folder), *spec.mounts)
        volumes = [volume(replace(m, source=self._safe(m.source))) for m in mounts]
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
            named=self._may_name(),
            pid_file=_pid_file(folder) if spec.limits is not None else None,
        )
        if spec.memory:
            argv = self._state.argv("unshare", *wrapped(spec, folder, argv))
        values = {name: value for name, value in spec.env.items() if not in_env_file(name)}
        return Command(
            argv=argv if spec.limits is None else spec.limits.joined(argv),
            env={**values, **self._own_env()},
            stdin=GATE if spec.memory else None,
            stop_grace_seconds=spec.stop_grace_seconds,
            watch=guard,
            umask=UMASK,
        )

    def _safe(self, path: Path) -> Path:
        """The path, or a link to it when podman would misread it."""
        if _UNSAFE_IN_VOLUME.search(str(path)) is None:
            return path
        self._link_count += 1
        link = self._temporary / str(self._link_count)
        link.symlink_to(path)
        return link

    def _may_name(self) -> bool:
        if self._named is None:
            self._named = may_name_containers(
                lambda argv: self._podman(*self._state.argv("unshare", *argv))
            )
        return self._named

    def _own_env(self) -> dict[str, str]:
        env = {
            "CONTAINERS_CONF": str(self._state.containers_conf),
            # Podman would ask the session bus for a cgroup of systemd's, which we do not use, and
            # wait for ever for one that does not answer.
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self._state.folder}/no-bus",
        }
        if not _is_own_folder(os.environ.get("XDG_RUNTIME_DIR", "")):
            # As `su` leaves it; without one podman finds a place of its own.
            env["XDG_RUNTIME_DIR"] = ""
        return env

    def _remove_all_argv(self) -> tuple[str, ...]:
        return self._state.argv("rm", "--all", "--force", "--time", "0")

    def _podman(self, *argv: str, check: bool = False) -> CommandResult:
        return self._runner.run(Command(argv=argv, env=self._own_env()), check=check)


def _pid_file(folder: Path) -> Path:
    return folder / "pid"


def _number(file: Path) -> int | None:
    """What a file says; None before it is written."""
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None


def _exit_code(spec: ContainerSpec, result: CommandResult) -> int:
    """Podman's own 125 to 127 are told apart from the container's by podman's last line."""
    words = result.stderr_tail[-1:] or ("",)
    own = result.exit_code == 125 or (
        result.exit_code in (126, 127) and words[0].startswith("Error: ")
    )
    if own or result.exit_code < 0:
        raise ContainerError(
            f"podman could not run the container {spec.name}",
            details=result.stderr_tail,
            hint=OVERLAY_HINT if any(map(_NO_OVERLAY.search, result.stderr_tail)) else "",
        )
    return result.exit_code


def _is_own_folder(path: str) -> bool:
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return False
    return status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
