"""What the processes of one container take, read from /proc.

A container has a PID namespace: whatever is started in it stays below its first process, whose
parent is the runtime. The files read here are readable for everybody, whoever runs in there.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from lifecycle.runtime.process_tree import below, read_processes

# Mapped files of a tmpfs are shared mostly; what a process has of them is asked for in detail.
_SHARED_WORTH_ASKING_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Usage:
    """tasks: processes and threads. memory_bytes: what they hold that is in no file: in memory,
    swapped out, and in files that only memory has.
    """

    tasks: int
    memory_bytes: int


class ContainerProcesses:
    """Those of the container whose runtime is the process `started`, or a child of it.

    first: the container's own first process, where the runtime told which it is.
    """

    def __init__(self, *, started: int, first: int | None = None) -> None:
        self._started = started
        self._first = first

    def usage(self, *, memory: bool) -> Usage | None:
        """None while, or when, there is no container. memory: False leaves it at 0."""
        threads, children = read_processes()
        if self._first is not None and self._first not in threads:
            self._first = None
        if self._first is None:
            self._first = _first_process(self._started, children)
        if self._first is None:
            return None
        found = [pid for pid in below(self._first, children) if pid in threads]
        held = sum(_private_bytes(pid) for pid in found) + self._shared(found) if memory else 0
        return Usage(tasks=sum(threads[pid] for pid in found), memory_bytes=held)

    def _shared(self, found: list[int]) -> int:
        """Files on a tmpfs, at least: those of /dev/shm, or those that somebody has mapped."""
        try:
            status = os.statvfs(f"/proc/{self._first}/root/dev/shm")
            on_shm = (status.f_blocks - status.f_bfree) * status.f_frsize
        except OSError:
            on_shm = 0
        return max(on_shm, sum(_mapped_share_bytes(pid) for pid in found))


def _first_process(started: int, children: dict[int, list[int]]) -> int | None:
    """The outermost that is the first of a PID namespace."""
    for pid in below(started, children):
        numbers = _status(pid).get("NSpid", "").split()
        if len(numbers) > 1 and numbers[-1] == "1":
            return pid
    return None


def _private_bytes(pid: int) -> int:
    status = _status(pid)
    return _kibibytes(status, "RssAnon") + _kibibytes(status, "VmSwap")


def _mapped_share_bytes(pid: int) -> int:
    if _kibibytes(_status(pid), "RssShmem") < _SHARED_WORTH_ASKING_BYTES:
        return 0
    return _kibibytes(_fields(Path(f"/proc/{pid}/smaps_rollup")), "Pss_Shmem")


def _status(pid: int) -> dict[str, str]:
    return _fields(Path(f"/proc/{pid}/status"))


def _fields(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}


def _kibibytes(fields: dict[str, str], name: str) -> int:
    number = fields.get(name, "0").partition(" ")[0]
    return int(number) * 1024 if number.isdigit() else 0
