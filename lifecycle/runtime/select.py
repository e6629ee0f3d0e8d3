"""Which runtime this host can use: runc, else podman, else bubblewrap. Found out by trying.

In the good case that costs one user namespace, about 10 ms.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from lifecycle.runtime.bubblewrap import BubblewrapRuntime
from lifecycle.runtime.outer import in_container
from lifecycle.runtime.own_limits import refused_limit
from lifecycle.runtime.podman import OVERLAY_HINT, SHORT_FOLDER, PodmanRuntime, PodmanSandbox
from lifecycle.runtime.runc import RuncRuntime
from lifecycle.runtime.spec import ContainerRuntime, RuntimeName
from oci.errors import CommandError, Error, HostError
from oci.idmap import SubordinateIds
from oci.process import CommandRunner, find_tool, missing_tool
from oci.userns import UserNamespace, user_namespace

_WHOLE_MAP = ["0", "0", "4294967295"]

# Can a new /proc be mounted below podman's user namespace? Not inside an ordinary container.
_PODMAN_PROBE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
# In one with more rights podman also wants a new /sys, and its overlays on a volume ($0).
_NESTED_PROBE = """\
mount -i -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys &&
cd -- "$0" && mkdir lower upper work merged &&
exec mount -i -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay merged
"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The runtime to use, and one sentence that says why."""

    runtime: ContainerRuntime
    reason: str


def select_runtime(requested: RuntimeName | None, runner: CommandRunner) -> Selection:
    """The requested runtime, or the best one here.

    Raises HostError when the requested one, or every one, cannot work on this host, where a limit
    of this process is too low for any, and for the host's real root: what a buildpack does must
    never be done as root.
    """
    refuse_root()
    low = refused_limit()
    if low is not None:
        raise low
    if requested is not None:
        _probe(requested, runner)
        return Selection(
            runtime=make_runtime(requested, runner), reason=f"{requested}, because it was asked for"
        )
    obstacles: list[Error] = []
    for name in RuntimeName:
        try:
            _probe(name, runner)
        except Error as error:
            obstacles.append(error)
            continue
        return Selection(runtime=make_runtime(name, runner), reason=_reason(name, obstacles))
    # In a container the last one, which asks for least, is the nearest to work.
    told = reversed(obstacles) if in_container() else obstacles
    raise HostError(
        "no container runtime can work on this host",
        details=[error.message for error in obstacles],
        hint=next((e.hint for e in told if e.hint), "install runc, podman or bubblewrap"),
    )


def refuse_root() -> None:
    """Raise HostError where this process is the host's root. Before any folder is made: root's
    would be in the way of the user whose HOME it is."""
    refuse_real_root(os.getuid(), Path("/proc/self/uid_map").read_text())


def refuse_real_root(uid: int, uid_map: str) -> None:
    """Raise HostError for uid 0, unless it is only the root of a user namespace.

    uid_map: the text of /proc/self/uid_map.
    """
    if uid == 0 and uid_map.split() == _WHOLE_MAP:
        raise HostError(
            "locald does not run as root: the container's user would be this host's root",
            hint="run it as an ordinary user; an account for it is made with: "
            "sudo useradd --create-home locald",
        )


def make_runtime(name: RuntimeName, runner: CommandRunner) -> ContainerRuntime:
    """The runtime of that name; whether it works here is another question."""
    match name:
        case RuntimeName.RUNC:
            return RuncRuntime(runner)
        case RuntimeName.PODMAN:
            return PodmanRuntime(runner)
        case RuntimeName.BUBBLEWRAP:
            return BubblewrapRuntime(runner)
        case _:
            assert_never(name)


def _probe(name: RuntimeName, runner: CommandRunner) -> None:
    """Raise an Error that says what is missing for a runtime."""
    if find_tool(name) is None:
        raise missing_tool(name)
    match name:
        case RuntimeName.RUNC:
            with UserNamespace(runner, ids=_subordinate_ids(name)):
                pass
        case RuntimeName.PODMAN:
            # Builders are unpacked in a namespace of ours, whatever podman itself may do.
            with UserNamespace(runner, ids=_subordinate_ids(name), own_pids=False):
                pass
            if find_tool(RuntimeName.RUNC) is None and has_hybrid_cgroups():
                raise HostError(
                    "podman's crun takes no hybrid cgroups, which this host has",
                    hint="install runc; podman is then told to use it",
                )
            _probe_podman(runner)
        case RuntimeName.BUBBLEWRAP:
            with user_namespace(runner, ids=None):
                pass
        case _:
            assert_never(name)


def has_hybrid_cgroups(cgroups: Path = Path("/sys/fs/cgroup")) -> bool:
    """Are there cgroups of both versions, with controllers in version 2?"""
    try:
        return bool((cgroups / "unified/cgroup.controllers").read_text().strip())
    except OSError:
        return False


def _subordinate_ids(name: RuntimeName) -> SubordinateIds:
    ids = SubordinateIds.of_current_user()
    if ids.inherited and name is RuntimeName.PODMAN:
        raise HostError(
            "podman needs subordinate ids of this container's root, which /etc/subuid lacks",
            hint="echo root:1:65536 | tee /etc/subuid /etc/subgid",
        )
    ids.require(name)
    if ids.inherited:
        return ids
    for tool in ("newuidmap", "newgidmap"):
        if find_tool(tool) is None:
            raise missing_tool(tool)
    return ids


def _probe_podman(runner: CommandRunner) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="locald-", dir=SHORT_FOLDER) as folder,
        PodmanSandbox(runner, Path(folder)) as sandbox,
    ):
        try:
            if in_container():
                sandbox.unshare(*_PODMAN_PROBE, "--net", "sh", "-c", _NESTED_PROBE, folder)
            else:
                sandbox.unshare(*_PODMAN_PROBE, "true")
        except CommandError as error:
            raise HostError(
                "podman cannot make a container on this host",
                details=error.details,
                hint=f"start the outer container with --security-opt unmask=ALL; {OVERLAY_HINT}"
                if in_container()
                else "`podman unshare true` shows what is wrong",
            ) from error


def _reason(name: RuntimeName, obstacles: list[Error]) -> str:
    because = "; ".join(error.message for error in obstacles)
    return f"{name}, because {because}" if because else f"{name}, the fastest, works on this host"
