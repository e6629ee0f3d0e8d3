"""Limits of this process (ulimit) with which no build works: better refused than begun.

The numbers were tried with a build of a static site.
"""

import resource
from dataclasses import dataclass

from oci.errors import HostError


@dataclass(frozen=True, kw_only=True)
class OwnLimit:
    """One of setrlimit(2).

    name: prlimit's word for it. option: ulimit's. item: of a systemd unit.
    least: with less no build works.
    """

    kind: int
    name: str
    option: str
    item: str
    what: str
    least: int

    def refusal(self, soft: int, hard: int) -> HostError | None:
        """What a build says, if it is too low. Both as getrlimit(2) has them."""
        if soft == resource.RLIM_INFINITY or soft >= self.least:
            return None
        possible = hard == resource.RLIM_INFINITY or hard >= self.least
        hint = (
            # Not ulimit, which counts bytes in KiB in one shell and in half of these in another.
            f"prlimit --pid $$ --{self.name}={self.least}:"
            if possible
            else f"raise it in /etc/security/limits.conf, or {self.item}= of a systemd unit"
        )
        return HostError(
            f"only {soft} {self.what} (ulimit {self.option}): no build works with less than "
            f"{self.least}",
            hint=hint,
        )


# With 1.5 GB of addresses small builds work, larger ones end for want of threads; with less runc
# and skopeo, which are Go's, do not start.
ADDRESSES = OwnLimit(
    kind=resource.RLIMIT_AS,
    name="as",
    option="-v",
    item="LimitAS",
    what="bytes of memory may be addressed",
    least=2_000_000_000,
)
OWN_LIMITS = (
    ADDRESSES,
    # With 20 a build ends, with 40 it works.
    OwnLimit(
        kind=resource.RLIMIT_NOFILE,
        name="nofile",
        option="-n",
        item="LimitNOFILE",
        what="files may be open",
        least=40,
    ),
    # The smallest images have files of one or two megabytes.
    OwnLimit(
        kind=resource.RLIMIT_FSIZE,
        name="fsize",
        option="-f",
        item="LimitFSIZE",
        what="bytes may be in a file",
        least=4 << 20,
    ),
)


def refused_limit(limits: tuple[OwnLimit, ...] = OWN_LIMITS) -> HostError | None:
    """The first of this process's limits with which no build works. The number of processes is not
    among them: how many this user has already is not known."""
    for limit in limits:
        refusal = limit.refusal(*resource.getrlimit(limit.kind))
        if refusal is not None:
            return refusal
    return None
