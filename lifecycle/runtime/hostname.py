"""May a container have a host name of its own? Not where this process is in somebody's container:
the system call filters of most forbid it, and then the outer name is seen. Nothing else is lost.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from oci.process import CommandResult

# In a namespace of its own, so nothing is renamed. A program of Python's, because a small
# container has no `hostname`.
_TRIAL = (
    *("unshare", "--uts"),
    *(sys.executable, "-I", "-S", "-c", "import socket; socket.sethostname('locald')"),
)


def may_name_containers(
    run: Callable[[tuple[str, ...]], CommandResult], *, status: Path = Path("/proc/self/status")
) -> bool:
    """Tried only where a filter is on this process.

    run: runs an argv as root of the user namespace that the container will be made in.
    """
    return not _is_filtered(status.read_text()) or run(_TRIAL).exit_code == 0


def _is_filtered(status: str) -> bool:
    """status: the text of /proc/self/status; without seccomp the kernel has no such line."""
    modes = (line.split()[1:] for line in status.splitlines() if line.startswith("Seccomp:"))
    return any(mode != ["0"] for mode in modes)
