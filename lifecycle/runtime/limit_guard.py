"""Ends a container that takes more than it may."""

import time
from collections.abc import Callable

from lifecycle.runtime.limits import Limit, LimitExceeded
from lifecycle.runtime.spec import ContainerSpec
from lifecycle.runtime.usage import ContainerProcesses
from oci.size_text import size_text

# Memory fills fast; processes have a wall of the kernel's, so looking at them may wait.
_MEMORY_SECONDS = 0.25
_PIDS_SECONDS = 2.0


class LimitGuard:
    """A `Command.watch` for one container: the spec's own watch, and its limits.

    first_process: tells the container's first process, where only the runtime knows it.
    """

    def __init__(
        self, spec: ContainerSpec, *, first_process: Callable[[], int | None] = lambda: None
    ) -> None:
        self._watch = spec.watch
        self._enforcement = spec.limits
        self._first_process = first_process
        self._started: int | None = None
        self._next = 0.0

    def follow(self, pid: int) -> None:
        """The runtime's process has started."""
        self._started = pid
        self._next = time.monotonic() + _MEMORY_SECONDS

    def __call__(self) -> None:
        """Look, if it is time. Raises LimitExceeded, and what the spec's own watch raises."""
        if self._watch is not None:
            self._watch()
        if self._enforcement is None or self._started is None or time.monotonic() < self._next:
            return
        self.look()
        limits = self._enforcement.limits
        if limits.memory is not None:
            pause = _MEMORY_SECONDS
        elif limits.pids is not None:
            pause = _PIDS_SECONDS
        else:
            pause = float("inf")
        self._next = time.monotonic() + pause

    def look_back(self, exit_code: int) -> None:
        """The container has ended; a cgroup still knows why."""
        if exit_code != 0 and self._enforcement is not None and self._enforcement.cgroup:
            self.look()

    def look(self) -> None:
        """Look now."""
        if self._enforcement is None or self._started is None:
            return
        limits, cgroup = self._enforcement.limits, self._enforcement.cgroup
        if cgroup is not None:
            if limits.memory is not None and cgroup.memory_exceeded():
                raise _memory(limits.memory, "the kernel ended a process")
            if limits.pids is not None and cgroup.pids_exceeded():
                raise _pids(limits.pids, "the kernel refused another one")
        if limits.memory is None and limits.pids is None:
            return
        processes = ContainerProcesses(started=self._started, first=self._first_process())
        usage = processes.usage(memory=limits.memory is not None)
        if usage is None:
            return
        if limits.memory is not None and usage.memory_bytes > limits.memory.amount:
            raise _memory(limits.memory, f"it held {size_text(usage.memory_bytes)}")
        most = self._enforcement.most_tasks
        if limits.pids is not None and most is not None and usage.tasks > most:
            raise _pids(limits.pids, f"there were {usage.tasks}")


def _memory(limit: Limit, how: str) -> LimitExceeded:
    return LimitExceeded(
        f"more memory than {size_text(limit.amount)}{_from(limit)}; {how}",
        hint="allow it more with --memory; the last image is as it was",
    )


def _pids(limit: Limit, how: str) -> LimitExceeded:
    return LimitExceeded(
        f"more processes and threads than {limit.amount}{_from(limit)}; {how}",
        hint="allow it more with --pids; the last image is as it was",
    )


def _from(limit: Limit) -> str:
    return f" ({limit.origin})" if limit.origin else ", the default of --pids"
