"""One user, mount and PID namespace that lives as long as we do.

Everything that needs ids or mounts of its own (umoci, overlays, runc, bubblewrap) runs inside.
The namespace's first process waits on the lifeline (`oci.process.RunningCommand`): when this
process ends in whatever way, it ends, and the kernel then kills every process of the PID
namespace and drops every mount. Nothing has to be cleaned up to be gone.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from oci.errors import CommandError, ContainerError, HostError
from oci.idmap import IdRange, SubordinateIds
from oci.process import Command, CommandResult, CommandRunner, LineSink, RunningCommand

log = logging.getLogger(__name__)

_READY = "ready"
# The first process: it says that the namespaces are there, then waits for its standard input
# to end. `cat` is asked to do the waiting because it dies with the pipe, unlike `sleep`.
_HOLDER = ("sh", "-c", f"echo {_READY}; exec cat >/dev/null")


class UserNamespace:
    """A context manager; `command` turns an argv into one that runs inside, as its root.

    ids: the subordinate ids to map; None maps only the invoking user (to 0).
    own_pids: give it a PID namespace and a /proc of its own. Not possible inside a container
        whose /proc is masked; then children are tied to us by the runtime's own means.
    """

    def __init__(
        self,
        runner: CommandRunner,
        *,
        ids: SubordinateIds | None,
        own_pids: bool = True,
    ) -> None:
        self._runner = runner
        self._ids = ids
        self._own_pids = own_pids
        self._holder: RunningCommand | None = None

    @property
    def pid(self) -> int:
        """The process whose namespaces these are, as this host numbers it."""
        if self._holder is None:
            raise ContainerError("the user namespace is not open")
        return self._holder.pid

    @property
    def own_pids(self) -> bool:
        """Does it have process ids, and with them a /proc, of its own?"""
        return self._own_pids

    def __enter__(self) -> Self:
        self._holder = self._runner.start(Command(argv=_holder_argv(own_pids=self._own_pids)))
        try:
            if self._holder.read_line() != _READY:
                raise _refused(self._holder)
            self._write_maps()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the namespace and every process in it."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def argv(self, *inner: str) -> tuple[str, ...]:
        """The argv that runs `inner` as root of this namespace."""
        pid_option = (f"--pid=/proc/{self.pid}/ns/pid_for_children",) if self._own_pids else ()
        # With one id the kernel forbids setgroups(2), which a change of gid implies; our own ids
        # are 0 inside already. With more, we also drop this user's supplementary groups.
        credentials = (
            ("--preserve-credentials",) if self._ids is None else ("--setuid", "0", "--setgid", "0")
        )
        return (
            "nsenter",
            "--target", str(self.pid),
            "--user",
            "--mount",
            *pid_option,
            *credentials,
            "--",
            *inner,
        )  # fmt: skip

    def run(
        self, *inner: str, on_line: LineSink | None = None, check: bool = True
    ) -> CommandResult:
        """Run `inner` as root of this namespace, to its end."""
        return self._runner.run(Command(argv=self.argv(*inner)), on_line=on_line, check=check)

    def remove_tree(self, path: Path) -> None:
        """Delete a folder whose files may belong to subordinate ids, or have mode 000."""
        if not path.exists() and not path.is_symlink():
            return
        self.run("rm", "-rf", "--one-file-system", "--", str(path))

    def _write_maps(self) -> None:
        if self._ids is None:
            uids: tuple[IdRange, ...] = (IdRange(0, os.getuid(), 1),)
            gids: tuple[IdRange, ...] = (IdRange(0, os.getgid(), 1),)
            proc = Path("/proc", str(self.pid))
            try:
                # The kernel wants group changes given up before one unprivileged gid is mapped.
                (proc / "setgroups").write_text("deny")
                (proc / "uid_map").write_text(_kernel_line(uids[0]))
                (proc / "gid_map").write_text(_kernel_line(gids[0]))
            except OSError as error:
                raise HostError(
                    f"the kernel refused an id map for a user namespace: {error.strerror}",
                    hint="a seccomp or AppArmor profile around this process may forbid it"
                    if os.getuid()
                    else "start the outer container without --cap-drop, or with --user 1000",
                ) from error
            return
        uids, gids = self._ids.namespace_uids(), self._ids.namespace_gids()
        if self._ids.inherited:
            self._write_own_ids(uids, gids)
            return
        for tool, ranges in (("newuidmap", uids), ("newgidmap", gids)):
            numbers = [str(n) for r in ranges for n in (r.inside, r.outside, r.size)]
            try:
                self._runner.run(Command(argv=(tool, str(self.pid), *numbers)))
            except CommandError as error:
                raise HostError(
                    f"`{tool}` refused the subordinate ids of this user",
                    details=error.details,
                    hint="see that /etc/subuid and /etc/subgid give you a range of 65536 ids, "
                    f"and that `{tool}` is setuid or has file capabilities",
                ) from error

    def _write_own_ids(self, uids: Iterable[IdRange], gids: Iterable[IdRange]) -> None:
        proc = Path("/proc", str(self.pid))
        try:
            # One write each: the kernel takes no second one.
            (proc / "uid_map").write_text("".join(map(_kernel_line, uids)))
            (proc / "gid_map").write_text("".join(map(_kernel_line, gids)))
        except OSError as error:
            raise HostError(
                f"this container's root may not map its ids: {error.strerror}",
                hint="the outer container took the capabilities SETUID, SETGID or SETFCAP away",
            ) from error


@contextmanager
def user_namespace(runner: CommandRunner, *, ids: SubordinateIds | None) -> Iterator[UserNamespace]:
    """A namespace with process ids of its own, or, where /proc cannot be mounted, without."""
    with ExitStack() as stack:
        try:
            namespace = stack.enter_context(UserNamespace(runner, ids=ids))
        except HostError:
            namespace = stack.enter_context(UserNamespace(runner, ids=ids, own_pids=False))
        yield namespace


def _holder_argv(*, own_pids: bool) -> tuple[str, ...]:
    pid_options = ("--pid", "--fork", "--kill-child=KILL", "--mount-proc") if own_pids else ()
    return ("unshare", "--user", "--mount", *pid_options, *_HOLDER)


def _kernel_line(ids: IdRange) -> str:
    return f"{ids.inside} {ids.outside} {ids.size}\n"


def _refused(holder: RunningCommand) -> HostError:
    return HostError(
        "this host does not let you make a user namespace",
        details=holder.stderr_tail,
        hint="allow unprivileged user namespaces (sysctl user.max_user_namespaces; on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0), or the outer container's seccomp profile",
    )
