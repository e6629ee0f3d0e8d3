"""A control group of a build's own, where this user was given a part of the hierarchy.

With systemd that is so below `user@UID.service`, in which a desktop's terminals and what
`systemd-run --user --scope` starts are; not in a login by ssh. Of cgroup v1 it is what an
administrator gave with chown. Anything that goes wrong means that there is none: the kernel would
only hold a second wall.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oci.process import Command, CommandRunner

log = logging.getLogger(__name__)

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "locald-"
_CONTROLLERS = ("memory", "pids")
# $1: how many cgroup.procs files follow; then the command. Who has lost the cgroup must not run.
_JOIN = """\
count=$1; shift
while [ "$count" -gt 0 ]; do echo "$$" >"$1" || exit 125; shift; count=$((count - 1)); done
exec "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """folders: controller → its folder; with version 2 it is the same for both."""

    version: int
    folders: Mapping[str, Path]

    def joined(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The command that runs argv in the group."""
        files = [str(folder / "cgroup.procs") for folder in self._distinct()]
        return ("sh", "-c", _JOIN, "sh", str(len(files)), *files, *argv)

    def memory_exceeded(self) -> bool:
        """Has the kernel killed a process of the group for its memory?"""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return self._happened("memory", name, "oom_kill")

    def pids_exceeded(self) -> bool:
        """Has a fork been refused?"""
        return self._happened("pids", "pids.events", "max")

    def make(self, *, memory_bytes: int | None, pids: int | None) -> None:
        """Make the folders and set the limits. Raises OSError."""
        for folder in self._distinct():
            folder.mkdir()
        if pids is not None:
            (self.folders["pids"] / "pids.max").write_text(str(pids))
        if memory_bytes is not None:
            memory = self.folders["memory"]
            name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
            (memory / name).write_text(str(memory_bytes))
            if (memory / "memory.swap.max").exists():
                (memory / "memory.swap.max").write_text("0")

    def remove(self) -> None:
        """Delete it; nobody is in it any more."""
        for folder in self._distinct():
            _remove(folder)

    def _happened(self, controller: str, events: str, name: str) -> bool:
        """In it or in a group below, such as runc makes: not all kernels sum that up."""
        folder = self.folders.get(controller)
        found = () if folder is None else (folder / events, *folder.rglob(events))
        return any(_count(file, name) > 0 for file in found)

    def _distinct(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self.folders.values()))


@contextmanager
def delegated_cgroup(
    runner: CommandRunner,
    *,
    memory_bytes: int | None,
    pids: int | None,
    root: Path = _ROOT,
    own: Path = Path("/proc/self/cgroup"),
) -> Iterator[Cgroup | None]:
    """A new group with these limits; None where none can be made, or nothing is limited."""
    wanted = [name for name, of in (("memory", memory_bytes), ("pids", pids)) if of is not None]
    group = _open(runner, wanted, root, own, memory_bytes=memory_bytes, pids=pids)
    try:
        yield group
    finally:
        if group is not None:
            group.remove()


def _open(
    runner: CommandRunner,
    wanted: list[str],
    root: Path,
    own: Path,
    *,
    memory_bytes: int | None,
    pids: int | None,
) -> Cgroup | None:
    parents = _parents(root, own) if wanted else {}
    for place in _places(root, own, parents):
        _sweep(place)
    if not wanted or any(name not in parents for name in wanted):
        return None
    version = 2 if (root / "cgroup.controllers").exists() else 1
    name = f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    group = Cgroup(version=version, folders={one: parents[one] / name for one in wanted})
    try:
        group.make(memory_bytes=memory_bytes, pids=pids)
    except OSError as error:
        log.debug("no cgroup: %s", error)
        group.remove()
        return None
    # Whether a process may move there is decided by where it comes from.
    if runner.run(Command(argv=group.joined(("true",))), check=False).exit_code != 0:
        log.debug("no cgroup: processes may not be moved into %s", name)
        group.remove()
        return None
    return group


def _parents(root: Path, own: Path) -> dict[str, Path]:
    """Controller → a folder of this user's in which groups can be made that have it."""
    found: dict[str, Path] = {}
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        inside = PurePosixPath(path).relative_to("/")
        if not controllers and (root / "cgroup.controllers").exists():
            # Our own group has processes, so only its siblings can have controllers.
            parent = (root / inside).parent
            if inside.parts and _is_ours(parent):
                enabled = (parent / "cgroup.subtree_control").read_text().split()
                found.update({name: parent for name in _CONTROLLERS if name in enabled})
        for name in controllers.split(","):
            folder = root / name / inside
            if name in _CONTROLLERS and _is_ours(folder):
                found[name] = folder
    return found


def _places(root: Path, own: Path, parents: Mapping[str, Path]) -> set[Path]:
    """Where groups of ours may be: those of builds, and those that runc makes for each container
    in every hierarchy that lets it."""
    found = set(parents.values())
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        folder = root / controllers.removeprefix("name=") / path.removeprefix("/")
        if _is_ours(folder):
            found.add(folder)
    return found


def _is_ours(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _sweep(parent: Path) -> None:
    """Groups of those that were killed: `locald-`, their process id, and whatever follows. One
    that is in use cannot be removed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    """With the groups below it, such as a runc leaves that was killed."""
    for inner in (
        *sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True),
        folder,
    ):
        with suppress(OSError):
            inner.rmdir()


def _count(events: Path, name: str) -> int:
    try:
        lines = events.read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(values.get(name, "0"))
