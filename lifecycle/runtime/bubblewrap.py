"""Containers by bubblewrap: for users without subordinate ids, and inside a plain container.

Only one id exists: every file of the image belongs to the container's user, who is the invoking
user, and a program that wants other ids fails. The rest of the isolation is that of the other
runtimes: no capabilities, no new privileges, the same system call filter (a BPF program of ours,
for the machine's own architecture only: 32-bit programs do not run), namespaces of its own.

Inside a container a new /proc may not be mounted, so the outer one is seen, in which the process
numbers are the outer ones; the PID namespace is private all the same.
"""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import assert_never

from lifecycle.runtime.bpf import bpf_program
from lifecycle.runtime.filesystem import Filesystem, Filesystems
from lifecycle.runtime.hostname import may_name_containers
from lifecycle.runtime.limit_guard import LimitGuard
from lifecycle.runtime.network import PrivateNetwork
from lifecycle.runtime.oci_config import MASKED_PATHS, READ_ONLY_PATHS
from lifecycle.runtime.outer import with_possible_network
from lifecycle.runtime.seccomp import profile
from lifecycle.runtime.spec import UMASK, ContainerSpec, Mount, Network, RuntimeName
from lifecycle.runtime.sysfs import INTERFACE_PATHS, NoInterfaces
from oci.errors import ContainerError
from oci.idmap import IdMap
from oci.process import Command, CommandResult, CommandRunner, LineSink, find_tool, missing_tool
from oci.userns import UserNamespace, user_namespace


def options(
    spec: ContainerSpec,
    files: Filesystem,
    *,
    own_proc: bool,
    named: bool = True,
    hidden_paths: Sequence[Path] = (),
    sysfs: Path = Path("/sys"),
) -> tuple[str, ...]:
    """Bubblewrap's options; they go through a pipe, because they hold the environment.

    hidden_paths: folders and files that are there and must not be seen.
    sysfs: what is seen as /sys.
    """
    return (
        "--unshare-user", "--uid", str(spec.user), "--gid", str(spec.group),
        "--unshare-ipc", "--unshare-uts", "--unshare-pid", "--unshare-cgroup-try",
        *(("--unshare-net",) if spec.network is Network.NONE else ()),
        "--as-pid-1", "--die-with-parent", "--new-session",
        "--cap-drop", "ALL",
        *(("--hostname", spec.hostname) if named else ()),
        "--clearenv",
        *(word for name, value in spec.env.items() for word in ("--setenv", name, value)),
        "--bind", str(files.rootfs), "/",
        *(("--proc", "/proc") if own_proc else ("--bind", "/proc", "/proc")),
        "--dev", "/dev", "--mqueue", "/dev/mqueue",
        "--ro-bind", str(sysfs), "/sys",
        *(word for path in hidden_paths for word in _hide(path)),
        *(word for path in READ_ONLY_PATHS if own_proc for word in ("--ro-bind-try", path, path)),
        *(word for mount in files.mounts for word in _bind(mount)),
        *(("--remount-ro", "/") if spec.read_only_root else ()),
        "--chdir", str(spec.cwd),
    )  # fmt: skip


def run_argv(spec: ContainerSpec, *, seccomp_fd: int, status_fd: int) -> tuple[str, ...]:
    """The command itself; its options come by standard input."""
    limits = tuple(
        f"--{name.removeprefix('RLIMIT_').lower()}={limit}:{limit}"
        for name, limit in spec.rlimits.items()
    )
    return (
        *(("prlimit", *limits, "--") if limits else ()),
        "bwrap",
        "--args", "0",
        "--seccomp", str(seccomp_fd),
        "--json-status-fd", str(status_fd),
        "--",
        *spec.argv,
    )  # fmt: skip


class BubblewrapRuntime:
    """Needs user namespaces, and nothing else of the host."""

    name = RuntimeName.BUBBLEWRAP

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def id_map(self, uid: int, gid: int) -> IdMap:
        """One id."""
        return IdMap(uid, gid, single=True)

    @contextmanager
    def open(self, scratch: Path) -> Iterator["BubblewrapSandbox"]:
        """See `ContainerRuntime.open`."""
        if find_tool("bwrap") is None:
            raise missing_tool("bwrap")
        program = bpf_program(profile(), platform.machine())
        with ExitStack() as stack:
            namespace = stack.enter_context(user_namespace(self._runner, ids=None))
            sandbox = BubblewrapSandbox(
                self._runner,
                namespace,
                scratch,
                filter_program=program,
                own_proc=namespace.own_pids,
            )
            stack.callback(sandbox.close)
            yield sandbox


class BubblewrapSandbox:
    """The containers of one build, one after another."""

    def __init__(
        self,
        runner: CommandRunner,
        namespace: UserNamespace,
        scratch: Path,
        *,
        filter_program: bytes,
        own_proc: bool,
    ) -> None:
        self._runner = runner
        self._namespace = namespace
        self._filter = filter_program
        self._own_proc = own_proc
        self._network_folder = scratch / "network"
        self._network_folder.mkdir()
        self._files = Filesystems(runner, namespace, scratch)
        self._private: PrivateNetwork | None = None
        self._no_interfaces = NoInterfaces(runner, namespace, scratch / "sys")
        self._named = may_name_containers(lambda argv: namespace.run(*argv, check=False))

    def prepare(self, spec: ContainerSpec) -> None:
        """Bubblewrap starts too quickly for that to pay."""

    def run(self, spec: ContainerSpec, *, on_line: LineSink) -> int:
        """See `Sandbox.run`."""
        spec = with_possible_network(spec)
        enter_network = self._enter_network(spec)
        if spec.ports and self._private is not None:
            self._private.publish(spec.ports)
        files = self._files.mount(spec)
        status = files.folder / "status"
        sysfs = self._sysfs(spec)
        words = options(
            spec,
            files,
            own_proc=self._own_proc,
            named=self._named,
            hidden_paths=self._hidden_paths(spec, sysfs),
            sysfs=sysfs or Path("/sys"),
        )
        with _memory_file(self._filter) as seccomp_fd, status.open("wb") as status_file:
            argv = self._namespace.argv(
                *enter_network,
                *run_argv(spec, seccomp_fd=seccomp_fd, status_fd=status_file.fileno()),
            )
            guard = LimitGuard(spec)
            started = self._runner.begin(
                Command(
                    argv=argv if spec.limits is None else spec.limits.joined(argv),
                    stdin=b"".join(os.fsencode(word) + b"\0" for word in words),
                    pass_fds=(seccomp_fd, status_file.fileno()),
                    stop_grace_seconds=spec.stop_grace_seconds,
                    watch=guard,
                    umask=UMASK,
                )
            )
        guard.follow(started.pid)
        try:
            result = started.finish(
                on_line=on_line, check=False, ask_to_stop=lambda: self._terminate(status)
            )
            guard.look_back(result.exit_code)
        finally:
            self._files.forget(spec, files.folder)
            if spec.ports and self._private is not None:
                self._private.withdraw()
        return _exit_code(spec, status, result)

    def remove_tree(self, path: Path) -> None:
        """See `Sandbox.remove_tree`."""
        self._namespace.remove_tree(path)

    def inside(self, argv: tuple[str, ...]) -> Command:
        """See `Sandbox.inside`."""
        return Command(argv=self._namespace.argv(*argv))

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `Sandbox.folders`."""
        return ()

    def close(self) -> None:
        """End what still runs."""
        self._no_interfaces.close()
        if self._private is not None:
            self._private.close()
        self._files.remove_containers()

    def _sysfs(self, spec: ContainerSpec) -> Path | None:
        """One that shows no interface of the host's. None: there is none, or it may show them."""
        match spec.network:
            case Network.NONE:
                return self._no_interfaces.path
            case Network.PRIVATE:
                return self._private.sysfs if self._private is not None else None
            case Network.HOST:
                return None
            case _:
                assert_never(spec.network)

    def _hidden_paths(self, spec: ContainerSpec, sysfs: Path | None) -> tuple[Path, ...]:
        foreign = spec.network is not Network.HOST and sysfs is None
        names = (
            *(MASKED_PATHS if self._own_proc else ()),
            *(INTERFACE_PATHS if foreign else ()),
        )
        return tuple(path for path in map(Path, names) if path.exists())

    def _enter_network(self, spec: ContainerSpec) -> tuple[str, ...]:
        if spec.network is not Network.PRIVATE:
            return ()
        if self._private is None:
            self._private = PrivateNetwork(self._runner, self._namespace, self._network_folder)
        return ("nsenter", f"--net={self._private.path}", "--")

    def _terminate(self, status: Path) -> None:
        """SIGTERM for the container's first process; bubblewrap passes no signal on."""
        for entry in _status_entries(status):
            if "child-pid" in entry:
                self._namespace.run("kill", "-TERM", str(entry["child-pid"]), check=False)


def _bind(mount: Mount) -> tuple[str, str, str]:
    option = "--ro-bind" if mount.read_only else "--bind"
    return (option, str(mount.source), str(mount.target))


def _hide(path: Path) -> tuple[str, ...]:
    if path.is_dir():
        return ("--tmpfs", str(path), "--remount-ro", str(path))
    return ("--ro-bind", "/dev/null", str(path))


@contextmanager
def _memory_file(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("seccomp")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _status_entries(status: Path) -> Iterator[dict[str, int]]:
    for line in status.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # half written
            return


def _exit_code(spec: ContainerSpec, status: Path, result: CommandResult) -> int:
    """Only bubblewrap's own status tells its failures from the container's."""
    last = result.stderr_tail[-1] if result.stderr_tail else ""
    ended = any("exit-code" in entry for entry in _status_entries(status))
    if not ended or result.exit_code < 0 or last.startswith("bwrap: execvp"):
        raise ContainerError(
            f"bubblewrap could not run the container {spec.name}", details=result.stderr_tail
        )
    return result.exit_code
