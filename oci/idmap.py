"""Id maps: who owns what inside a container, in one value for umoci and for the runtimes.

Two steps lie between the host and a container:

    host ── namespace map ──► our user namespace ── id map ──► container
    uid 1000 (you)             0                                1000 (the CNB user)
    100000 … (subordinate)     1 …                              0 … 999, 1001 …

In our namespace you are 0 and your subordinate ids follow. In the container the CNB user is
*you*, so that layers, caches and outputs are plain files of yours; the other ids are
subordinate.
"""

import contextlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from oci.errors import HostError

CONTAINER_IDS = 65536
_EVERY_ID = 4294967295
RANGE_HINT = (
    "give this user a range: sudo usermod --add-subuids 100000-165535 "
    "--add-subgids 100000-165535 $USER"
)


@dataclass(frozen=True)
class IdRange:
    """`size` ids that start at `inside` in the inner and at `outside` in the outer namespace."""

    inside: int
    outside: int
    size: int

    def __str__(self) -> str:
        return f"{self.inside}:{self.outside}:{self.size}"


@dataclass(frozen=True)
class SubordinateIds:
    """The ranges that /etc/subuid and /etc/subgid give to a user: (first id, count).

    inherited: they are in no file, but all the ids of a container whose root we are. Such a root
        maps them itself, without newuidmap.
    """

    uids: tuple[tuple[int, int], ...]
    gids: tuple[tuple[int, int], ...]
    inherited: bool = False

    @classmethod
    def of_current_user(cls) -> Self:
        """Those of the user who runs this."""
        return cls.of_user(os.getuid())

    @classmethod
    def of_user(
        cls,
        uid: int,
        *,
        subuid: Path = Path("/etc/subuid"),
        subgid: Path = Path("/etc/subgid"),
        own_maps: Path = Path("/proc/self"),
    ) -> Self:
        """Read both files; a missing file or user gives no ranges, unless uid is a container's
        root. own_maps: the folder with our uid_map and gid_map."""
        found = cls(_ranges(subuid, uid), _ranges(subgid, uid))
        if found.uids or uid != 0:
            return found
        uids, gids = (_inherited(own_maps / name) for name in ("uid_map", "gid_map"))
        return cls(uids, gids, inherited=True) if uids else found

    @property
    def usable(self) -> bool:
        """Are there enough ids for a container that has a root and a CNB user?"""
        return _total(self.uids) >= CONTAINER_IDS - 1 and _total(self.gids) >= CONTAINER_IDS - 1

    def require(self, tool: str) -> None:
        """Raise HostError, with the remedy, when `tool` cannot work with these ids."""
        if not self.usable:
            raise HostError(
                f"{tool} needs {CONTAINER_IDS} subordinate ids, which this user does not have",
                hint=RANGE_HINT,
            )

    def namespace_uids(self) -> tuple[IdRange, ...]:
        """The uid map of our own namespace, seen from the host."""
        return _namespace_map(os.getuid(), self.uids)

    def namespace_gids(self) -> tuple[IdRange, ...]:
        """The gid map of our own namespace, seen from the host."""
        return _namespace_map(os.getgid(), self.gids)


@dataclass(frozen=True)
class IdMap:
    """Container ids (inside) to ids of our namespace (outside).

    single: only one id exists; everything belongs to the CNB user, who is the invoking user.
    """

    uid: int
    gid: int
    single: bool = False

    @property
    def uids(self) -> tuple[IdRange, ...]:
        """The uid ranges, in order; for `single` the one uid."""
        return _container_map(self.uid, single=self.single)

    @property
    def gids(self) -> tuple[IdRange, ...]:
        """The gid ranges, in order; for `single` the one gid."""
        return _container_map(self.gid, single=self.single)

    @property
    def key(self) -> str:
        """Names unpacked root filesystems: the same image has other owners under another map."""
        return f"{self.uid}-{self.gid}" + ("-single" if self.single else "")


def _container_map(user: int, *, single: bool) -> tuple[IdRange, ...]:
    if single:
        return (IdRange(user, 0, 1),)
    below = IdRange(0, 1, user)
    above = IdRange(user + 1, user + 1, CONTAINER_IDS - user - 1)
    return tuple(r for r in (below, IdRange(user, 0, 1), above) if r.size > 0)


def _namespace_map(own_id: int, ranges: tuple[tuple[int, int], ...]) -> tuple[IdRange, ...]:
    result = [IdRange(0, own_id, 1)]
    next_inside = 1
    for first, count in ranges:
        result.append(IdRange(next_inside, first, count))
        next_inside += count
    return tuple(result)


def _ranges(path: Path, uid: int) -> tuple[tuple[int, int], ...]:
    owners = {str(uid)}
    with contextlib.suppress(KeyError):  # a uid without a passwd entry, as in many CI containers
        owners.add(pwd.getpwuid(uid).pw_name)
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        owner, _, rest = line.partition(":")
        first, _, count = rest.partition(":")
        if owner in owners and first.isdigit() and count.isdigit() and int(count) > 0:
            found.append((int(first), int(count)))
    return tuple(found)


def _inherited(own_map: Path) -> tuple[tuple[int, int], ...]:
    """The ids of our user namespace, except 0; each line of a map has inside, outside, size. The
    host's own map has every id, and none to give away."""
    lines = (line.split() for line in own_map.read_text().splitlines())
    ranges = [(int(inside), int(size)) for inside, _, size in lines]
    if (0, _EVERY_ID) in ranges:
        return ()
    return tuple(
        (max(first, 1), size - (1 if first == 0 else 0))
        for first, size in sorted(ranges)
        if first + size > 1
    )


def _total(ranges: tuple[tuple[int, int], ...]) -> int:
    return sum(count for _, count in ranges)
