"""Folders of a container that are only in memory: a tmpfs in a mount namespace of ours.

The tmpfs is mounted inside, the files are written from outside, through /proc/PID/root: what they
hold never goes through a command line, an environment, a pipe or another process.

The namespace is the sandbox's. Podman has none of a sandbox's own (all podmans of a user share
one, which outlives us), so there it is the container's: a shell makes it, says its process id,
waits until the files are written, and becomes podman.
"""

import os
import time
from pathlib import Path

from lifecycle.runtime.spec import ContainerSpec, Mount
from oci.cancellation import check_cancelled
from oci.errors import ContainerError
from oci.process import StartedCommand

# Without nosuid and the like: they would be locked, and runc could not mount it anew without.
_MOUNT = 'mount -i -t tmpfs -o mode=700 tmpfs "$1" || exit 125; shift'
# The parameters are the mount points.
MOUNT_SCRIPT = f"while [ $# -gt 0 ]; do {_MOUNT}; done"
UNMOUNT_SCRIPT = 'for point in "$@"; do umount -l -- "$point"; done'

# $1 is where to say the process id, $2 the number of mount points, which follow; the rest is a
# command. Standard input is the gate: it ends when locald does.
_WRAPPER = f"""\
told=$1 count=$2; shift 2
while [ "$count" -gt 0 ]; do {_MOUNT}; count=$((count - 1)); done
echo "$$" >"$told.new" && mv -- "$told.new" "$told" && read -r _ || exit 125
exec "$@" </dev/null
"""
GATE = b"open\n"
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.01


def mount_points(spec: ContainerSpec, folder: Path) -> tuple[Path, ...]:
    """Where the spec's memory folders are mounted; folder: of this container's own."""
    return tuple(folder / f"memory-{n}" for n in range(len(spec.memory)))


def memory_mounts(spec: ContainerSpec, folder: Path) -> tuple[Mount, ...]:
    """Make the mount points; how the container gets what will be there."""
    points = mount_points(spec, folder)
    for point in points:
        point.mkdir()
    return tuple(
        Mount(source=point, target=memory.target, read_only=True)
        for memory, point in zip(spec.memory, points, strict=True)
    )


def fill(spec: ContainerSpec, folder: Path, *, process: int) -> None:
    """Write the files into what is mounted at the mount points as `process` sees them."""
    for memory, point in zip(spec.memory, mount_points(spec, folder), strict=True):
        seen = Path(f"/proc/{process}/root{point}")
        if seen.stat().st_dev == point.stat().st_dev:  # never write a secret to a disk
            raise ContainerError(f"{spec.name}: no tmpfs for {memory.target}")
        for name, content in memory.files.items():
            _write(seen / name, content)


def wrapped(spec: ContainerSpec, folder: Path, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command that runs argv, podman's, in a mount namespace that has the memory folders."""
    points = mount_points(spec, folder)
    # A network that podman makes for the container must stay known to the podmans outside: they
    # could not remove it otherwise. They share its folder since the sandbox's first private one.
    return (
        *("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _WRAPPER, "sh"),
        *(str(folder / "holder"), str(len(points)), *map(str, points)),
        *argv,
    )


def fill_when_told(spec: ContainerSpec, folder: Path, started: StartedCommand) -> None:
    """Wait until a `wrapped` command has its mounts, and fill them. It waits for its input then;
    when it has ended instead, its own words say why to whoever awaits it."""
    told = folder / "holder"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while not told.exists():
            if not started.running():
                return
            check_cancelled()
            if time.monotonic() > deadline:
                raise ContainerError(f"{spec.name}: podman made no namespace for its secrets")
            time.sleep(_POLL_SECONDS)
        fill(spec, folder, process=int(told.read_text()))
    except BaseException:
        started.abandon()
        raise


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
