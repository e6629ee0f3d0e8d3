"""How much the phases that run buildpacks may take of this host, and who sees to it.

Memory, processes and disk are watched by us, which ends the build with one clear message. Where
the kernel can be asked it holds the wall meanwhile: a cgroup that was delegated to this user, else
RLIMIT_NPROC (from Linux 5.14 on it counts within a user namespace, so a container has its own
count) and RLIMIT_FSIZE. RLIMIT_AS is not used: Go and Java reserve far more than they take.
"""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lifecycle.runtime.cgroup import Cgroup, delegated_cgroup
from oci.errors import ContainerError
from oci.process import CommandRunner

_NPROC_PER_NAMESPACE = (5, 14)
# The kernel's walls stand a little behind the limits: they count also what of ours is around the
# container, and a limit must be exceeded to be seen.
_WALL_DISTANCE = 64
_MEMORY_DISTANCE = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Limit:
    """origin: the flag, or file and key, that said so; empty for our own default."""

    amount: int
    origin: str = ""

    def __str__(self) -> str:
        """The number alone."""
        return str(self.amount)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """None: not limited. memory, disk: bytes. pids: processes and threads together."""

    memory: Limit | None = None
    pids: Limit | None = None
    disk: Limit | None = None


class LimitExceeded(ContainerError):
    """What a buildpack started took more than it may; the build has been ended.

    what: follows after "took". phase, buildpack: who ran, where it is known.
    """

    def __init__(self, what: str, *, hint: str, phase: str = "", buildpack: str = "") -> None:
        who = f"the buildpack {buildpack}" if buildpack else "it" if phase else "the build"
        where = f"{phase}: " if phase else ""
        super().__init__(f"{where}{who} took {what}", hint=hint)
        self._what = what
        self.phase = phase

    def within(self, phase: str, buildpack: str) -> "LimitExceeded":
        """The same, in a phase."""
        return LimitExceeded(self._what, hint=self.hint, phase=phase, buildpack=buildpack)


@dataclass(frozen=True, kw_only=True)
class Enforcement:
    """Limits, and how they are held here.

    cgroup: one of this build's own, with its limits set. rlimits: of each process.
    """

    limits: Limits
    cgroup: Cgroup | None = None
    rlimits: Mapping[str, int] = field(default_factory=dict)

    @property
    def most_tasks(self) -> int | None:
        """More processes and threads are too many."""
        if self.limits.pids is None:
            return None
        amount = self.limits.pids.amount
        wall = self.rlimits.get("RLIMIT_NPROC")
        return amount if wall is None else min(amount, wall - _WALL_DISTANCE)

    @property
    def memory_by(self) -> str:
        """Who holds the memory limit, in a few words."""
        return f"{_by_cgroup(self.cgroup)}, watched" if self.cgroup is not None else "watched"

    @property
    def pids_by(self) -> str:
        """Who holds the limit of processes."""
        if self.cgroup is not None:
            return f"{_by_cgroup(self.cgroup)}, watched"
        return "RLIMIT_NPROC, watched" if "RLIMIT_NPROC" in self.rlimits else "watched"

    @property
    def disk_by(self) -> str:
        """Who holds the disk limit; of a single file the kernel does."""
        return "watched; RLIMIT_FSIZE for a file"

    def joined(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The command that runs argv within the limits."""
        return argv if self.cgroup is None else self.cgroup.joined(argv)


@contextmanager
def enforcement(limits: Limits, runner: CommandRunner) -> Iterator[Enforcement]:
    """The best way that there is here, while the block runs."""
    memory, pids = limits.memory, limits.pids
    with delegated_cgroup(
        runner,
        memory_bytes=memory.amount + _MEMORY_DISTANCE if memory is not None else None,
        pids=pids.amount + _WALL_DISTANCE if pids is not None else None,
    ) as cgroup:
        yield Enforcement(
            limits=limits, cgroup=cgroup, rlimits=_rlimits(limits, walled=cgroup is not None)
        )


def _rlimits(limits: Limits, *, walled: bool) -> dict[str, int]:
    """walled: something else limits the number of processes."""
    found: dict[str, int] = {}
    if limits.pids is not None and not walled and kernel_version() >= _NPROC_PER_NAMESPACE:
        wall = limits.pids.amount + _WALL_DISTANCE
        found["RLIMIT_NPROC"] = _within(resource.RLIMIT_NPROC, wall)
    if limits.disk is not None:
        found["RLIMIT_FSIZE"] = _within(resource.RLIMIT_FSIZE, limits.disk.amount)
    return found


def kernel_version(release: str | None = None) -> tuple[int, int]:
    """The first two numbers of the kernel's version. release: as `uname -r` has it."""
    major, _, rest = (os.uname().release if release is None else release).partition(".")
    digits = [number for number in (major, rest.partition(".")[0]) if number.isdigit()]
    return (int(digits[0]), int(digits[1])) if len(digits) == 2 else (0, 0)


def _within(kind: int, amount: int) -> int:
    """Nobody can raise the hard limit that this process has."""
    _, hard = resource.getrlimit(kind)
    return amount if hard == resource.RLIM_INFINITY else min(amount, hard)


def _by_cgroup(cgroup: Cgroup) -> str:
    return f"cgroup v{cgroup.version}"
