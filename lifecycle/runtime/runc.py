"""Containers by runc, in a user namespace of ours: the fastest way, with every id mapped.

One `runc run` is one container. A prepared container is one that runc has set up entirely, but
that waits at a *gate*: a hook, run right before the container's program, that reads one byte from
a FIFO. So the next phase's namespaces, mounts and filters are made while the present phase works.
"""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lifecycle.runtime.filesystem import Filesystems
from lifecycle.runtime.hostname import may_name_containers
from lifecycle.runtime.limit_guard import LimitGuard
from lifecycle.runtime.network import PrivateNetwork
from lifecycle.runtime.oci_config import Prepared, runtime_config
from lifecycle.runtime.outer import in_container, with_possible_network
from lifecycle.runtime.spec import UMASK, ContainerSpec, Network, RuntimeName
from lifecycle.runtime.sysfs import NoInterfaces
from oci.errors import ContainerError, Error
from oci.idmap import IdMap, SubordinateIds
from oci.process import Command, CommandRunner, LineSink, StartedCommand, find_tool, missing_tool
from oci.userns import UserNamespace

log = logging.getLogger(__name__)

_STARTING_SECONDS = 0.05


def run_argv(*, state: Path, container: Path, name: str) -> tuple[str, ...]:
    """The command of one container; runc's own errors go to a log beside its bundle."""
    return (
        "runc",
        "--root", str(state),
        "--log", str(container / "runc.log"),
        "--log-format", "json",
        "run",
        "--bundle", str(container),
        name,
    )  # fmt: skip


def kill_argv(*, state: Path, name: str) -> tuple[str, ...]:
    """Kill every process of a container and forget it."""
    return ("runc", "--root", str(state), "delete", "--force", name)


class RuncRuntime:
    """Needs subordinate ids, newuidmap and a /proc that may be mounted anew."""

    name = RuntimeName.RUNC

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def id_map(self, uid: int, gid: int) -> IdMap:
        """All 65536 ids; the container's user is the invoking user."""
        return IdMap(uid, gid)

    @contextmanager
    def open(self, scratch: Path) -> Iterator["RuncSandbox"]:
        """See `ContainerRuntime.open`."""
        if find_tool("runc") is None:
            raise missing_tool("runc")
        ids = SubordinateIds.of_current_user()
        ids.require("runc")
        with UserNamespace(self._runner, ids=ids) as namespace:
            sandbox = RuncSandbox(self._runner, namespace, scratch)
            try:
                yield sandbox
            finally:
                sandbox.close()


@dataclass(frozen=True, kw_only=True)
class _Started:
    """A container that runc works on. `gate` is the FIFO's descriptor when it waits there."""

    spec: ContainerSpec
    folder: Path
    command: StartedCommand
    guard: LimitGuard
    gate: int | None = None


class RuncSandbox:
    """The containers of one build. One runs at a time; the next may be waiting at its gate."""

    def __init__(self, runner: CommandRunner, namespace: UserNamespace, scratch: Path) -> None:
        self._runner = runner
        self._namespace = namespace
        self._state = scratch / "state"
        self._network_folder = scratch / "network"
        for folder in (self._state, self._network_folder):
            folder.mkdir()
        self._files = Filesystems(runner, namespace, scratch)
        self._private: PrivateNetwork | None = None
        self._wanted: deque[ContainerSpec] = deque()
        self._ready: _Started | None = None
        self._preparing: threading.Thread | None = None
        # In an ordinary container runc could mount none, and would not start.
        self._no_interfaces = (
            NoInterfaces(runner, namespace, scratch / "sys") if in_container() else None
        )
        self._named = may_name_containers(lambda argv: namespace.run(*argv, check=False))

    def prepare(self, spec: ContainerSpec) -> None:
        """See `Sandbox.prepare`. Several are prepared one by one, in the order told."""
        spec = with_possible_network(spec, quiet=True)
        if not _targets_can_be_swapped(spec):
            self._wanted.append(spec)
            self._prepare_next()

    def run(self, spec: ContainerSpec, *, on_line: LineSink) -> int:
        """See `Sandbox.run`."""
        spec = with_possible_network(spec)
        prepared = self._take_prepared(spec)
        self._publish(spec)
        started = prepared or self._start(spec, gated=False)
        try:
            if started.gate is not None:
                os.write(started.gate, b"\n")
            self._prepare_next()
            result = started.command.finish(on_line=on_line, check=False)
            started.guard.look_back(result.exit_code)
        except BaseException:
            self._kill(started)
            raise
        finally:
            _close_gate(started)
            self._files.forget(spec, started.folder)
            if spec.ports and self._private is not None:
                self._private.withdraw()
        return _exit_code(spec, result.exit_code, started.folder / "runc.log", result.stderr_tail)

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
        """End what still runs, and delete what belongs to subordinate ids."""
        self._discard_prepared()
        if self._no_interfaces is not None:
            self._no_interfaces.close()
        if self._private is not None:
            self._private.close()
        self._files.remove_containers()

    def _start(self, spec: ContainerSpec, *, gated: bool) -> _Started:
        files = self._files.mount(spec)
        gate = _make_gate(files.folder) if gated else None
        private = self._network(spec)
        prepared = Prepared(
            rootfs=files.rootfs,
            mounts=files.mounts,
            network_namespace=None if private is None else private.path,
            gate=_gate_argv(files.folder) if gated else (),
            named=self._named,
            new_sysfs=self._no_interfaces is None,
            sysfs=self._sysfs(spec, private),
        )
        config = runtime_config(spec, IdMap(spec.user, spec.group), prepared)
        (files.folder / "config.json").write_text(json.dumps(config))
        argv = self._namespace.argv(
            *run_argv(state=self._state, container=files.folder, name=spec.name)
        )
        guard = LimitGuard(spec)
        command = self._runner.begin(
            Command(
                argv=argv if spec.limits is None else spec.limits.joined(argv),
                stop_grace_seconds=spec.stop_grace_seconds,
                watch=guard,
                umask=UMASK,
            )
        )
        guard.follow(command.pid)
        return _Started(spec=spec, folder=files.folder, command=command, guard=guard, gate=gate)

    def _publish(self, spec: ContainerSpec) -> None:
        self._network(spec)
        if spec.ports and self._private is not None:
            self._private.publish(spec.ports)

    def _network(self, spec: ContainerSpec) -> PrivateNetwork | None:
        if spec.network is not Network.PRIVATE:
            return None
        if self._private is None:
            self._private = PrivateNetwork(self._runner, self._namespace, self._network_folder)
        return self._private

    def _sysfs(self, spec: ContainerSpec, private: PrivateNetwork | None) -> Path | None:
        """One to bind, that shows no interface of the host's; None: runc mounts one, or none can
        be had."""
        if spec.network is Network.NONE and self._no_interfaces is not None:
            return self._no_interfaces.path
        return None if private is None else private.sysfs

    def _prepare_next(self) -> None:
        if self._ready is not None or self._preparing is not None or not self._wanted:
            return
        spec = self._wanted.popleft()

        def work() -> None:
            try:
                self._ready = self._start(spec, gated=True)
            except (Error, OSError) as error:
                # `run` will meet it again, and tell it where somebody listens.
                log.debug("container %s was not prepared: %s", spec.name, error)

        self._preparing = threading.Thread(target=work, name=f"prepare {spec.name}", daemon=True)
        self._preparing.start()

    def _await_preparation(self) -> None:
        thread, self._preparing = self._preparing, None
        if thread is None:
            return
        try:
            thread.join()
        except RuntimeError:
            # A signal came while it was being started. Is it, by now?
            time.sleep(_STARTING_SECONDS)
            if thread.ident is not None:
                thread.join()

    def _take_prepared(self, spec: ContainerSpec) -> _Started | None:
        self._await_preparation()
        if self._ready is None or self._ready.spec != spec:
            with suppress(ValueError):
                self._wanted.remove(spec)
            return None
        started, self._ready = self._ready, None
        return started

    def _discard_prepared(self) -> None:
        self._wanted.clear()
        self._await_preparation()
        if self._ready is not None:
            unwanted, self._ready = self._ready, None
            unwanted.command.abandon()
            self._kill(unwanted)
            _close_gate(unwanted)

    def _kill(self, started: _Started) -> None:
        argv = kill_argv(state=self._state, name=started.spec.name)
        self._namespace.run(*argv, check=False)


def _targets_can_be_swapped(spec: ContainerSpec) -> bool:
    """Is a target inside a folder which the container that still runs may be writing to?

    It could then make the target a link while runc looks at it.
    """
    writable = {mount.target for mount in spec.mounts if not mount.read_only}
    writable |= {overlay.target for overlay in spec.overlays}
    return any(not writable.isdisjoint(target.parents) for target in spec.targets)


def _make_gate(folder: Path) -> int:
    os.mkfifo(folder / "gate", 0o600)
    # Open for both ways, it neither blocks nor loses the byte, whoever comes first.
    return os.open(folder / "gate", os.O_RDWR | os.O_CLOEXEC)


def _gate_argv(folder: Path) -> tuple[str, ...]:
    return (find_tool("head") or "/usr/bin/head", "-c", "1", str(folder / "gate"))


def _close_gate(started: _Started) -> None:
    if started.gate is not None:
        os.close(started.gate)


def _exit_code(spec: ContainerSpec, code: int, runc_log: Path, stderr: tuple[str, ...]) -> int:
    errors = tuple(_logged_errors(runc_log))
    if errors:
        raise ContainerError(f"runc could not run the container {spec.name}", details=errors)
    if code < 0:
        raise ContainerError(
            f"runc was killed by signal {-code} while it ran {spec.name}", details=stderr
        )
    return code


def _logged_errors(runc_log: Path) -> Iterator[str]:
    if not runc_log.exists():
        return
    for line in runc_log.read_text(errors="replace").splitlines():
        try:
            entry: Mapping[str, str] = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry.get("level") in ("error", "fatal"):
            yield entry.get("msg", line)
