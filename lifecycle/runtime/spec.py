"""What a container runtime is asked for. Pure data, the same for runc, podman and bubblewrap."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol

from lifecycle.runtime.limits import Enforcement
from oci.idmap import IdMap
from oci.process import Command, LineSink

# The usual one. The user's own would decide the modes of what is in the image.
UMASK = 0o022


class RuntimeName(StrEnum):
    """The executables that can run a container for us."""

    RUNC = "runc"
    PODMAN = "podman"
    BUBBLEWRAP = "bwrap"


class Network(StrEnum):
    """PRIVATE: own network namespace, outgoing traffic through slirp4netns or pasta, the host's
    loopback out of reach. HOST: the host's network. NONE: own network namespace, loopback only.
    """

    PRIVATE = "private"
    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A bind mount of a host file or folder."""

    source: Path
    target: PurePosixPath
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class OverlayMount:
    """A folder seen through an overlay: `lower` is never written.

    scratch: an empty folder of this build where the changes are kept, from the first container
        that mounts this overlay to the last.
    hidden: paths relative to `lower` that the container must not see (made as whiteouts).
    adopted: paths relative to `lower` of which the container gets copies that are its own.
    """

    lower: Path
    scratch: Path
    target: PurePosixPath
    hidden: tuple[PurePosixPath, ...] = ()
    adopted: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryFolder:
    """Files that no disk has, in a folder on a tmpfs that only this sandbox sees.

    They are there from the start of the one container that asks for them to its end, or to that
    of this process, SIGKILL included. Only the container's user can read them, nobody write.
    files: by their names, which are plain ones.
    """

    target: PurePosixPath
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Port:
    """A TCP port of the host's loopback that reaches a port of the container."""

    host: int
    container: int


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """One container, from start to exit.

    name: unique on this host while it runs; `[a-z0-9-]+`.
    rootfs: an unpacked root filesystem; the container sees it through a throwaway overlay of
        its own, so that it is never written and no other container sees a change.
    env: the whole environment; nothing is inherited from this process or the image.
    user, group: ids inside the container; `rootfs` was unpacked with the id map of these.
    limits: of memory and processes; exceeding one raises LimitExceeded.
    watch: called about once a second while the container runs; what it raises ends it.
    stop_grace_seconds: between SIGTERM and SIGKILL when we are interrupted; 0 kills at once.
    """

    name: str
    rootfs: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: PurePosixPath
    user: int
    group: int
    mounts: tuple[Mount, ...] = ()
    overlays: tuple[OverlayMount, ...] = ()
    memory: tuple[MemoryFolder, ...] = ()
    network: Network = Network.NONE
    read_only_root: bool = False
    ports: tuple[Port, ...] = ()
    stop_grace_seconds: float = 0.0
    hostname: str = "locald"
    rlimits: Mapping[str, int] = field(default_factory=dict)
    limits: Enforcement | None = None
    watch: Callable[[], None] | None = None

    @property
    def targets(self) -> frozenset[PurePosixPath]:
        """Every path inside the container where something is mounted."""
        binds = (m.target for m in self.mounts)
        overlays = (o.target for o in self.overlays)
        return frozenset((*binds, *overlays, *(m.target for m in self.memory)))


class Sandbox(Protocol):
    """Where the containers of one build run, one after another (or of one `locald run`)."""

    def run(self, spec: ContainerSpec, *, on_line: LineSink) -> int:
        """Run one container to its end and return its exit code (128 + n after signal n).

        Raises ContainerError when the runtime itself failed, HostError when this host lacks
        what the spec asks for. When a `BaseException` (Ctrl-C) arrives, the container is
        stopped as the spec says before the exception goes on.
        """
        ...

    def prepare(self, spec: ContainerSpec) -> None:
        """Tell which container comes next, while the present one still runs.

        A runtime that can then makes it ready in the background. A hint: it never fails, and
        `run` of another spec is as good as without it. All of the spec's host paths must exist.
        """
        ...

    def remove_tree(self, path: Path) -> None:
        """Delete a folder of this build, whoever owns what is in it."""
        ...

    def inside(self, argv: tuple[str, ...]) -> Command:
        """The command that runs argv as root of the sandbox's ids, beside the containers."""
        ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where containers' changes are kept that are not below the scratch folder."""
        ...


class ContainerRuntime(Protocol):
    """One way to run containers on this host."""

    @property
    def name(self) -> RuntimeName:
        """Which executable this is."""
        ...

    def id_map(self, uid: int, gid: int) -> IdMap:
        """The id map that this runtime uses for a container user; the root filesystem must have
        been unpacked with the same."""
        ...

    def open(self, scratch: Path) -> AbstractContextManager[Sandbox]:
        """A sandbox whose own files (bundles, overlays, sockets) are kept below `scratch`, an
        existing empty folder. Leaving it ends every process, mount and namespace in it; so does
        the death of this process, SIGKILL included."""
        ...
