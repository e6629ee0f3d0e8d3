"""Runs a command and measures it from outside: wall time, its own peak memory, and how long the
lifecycle's programs ran in their containers.

The lifecycle's processes are watched through /proc, so nothing of the product takes part, and
every runtime is measured alike. Only descendants of the command count, because other builds may run
on the machine. While one of them runs, a process descriptor tells its end and
nothing is polled; between them the process table is read every 2 ms. A start is taken as the
middle between two readings.
"""

import os
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LIFECYCLE = b"/cnb/lifecycle/"
_PHASES = {
    "analyzer": "analyze",
    "detector": "detect",
    "restorer": "restore",
    "builder": "build",
    "exporter": "export",
}
_POLL_SECONDS = 0.002
_MEMORY_POLL_SECONDS = 0.02


class RunFailed(Exception):
    """A command of the benchmark failed: there is no figure to show."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One run. `lifecycle`: phase → seconds its program took, when it was asked for.

    peak_memory_bytes: of the command's own process, not of its children.
    """

    seconds: float
    peak_memory_bytes: int
    lifecycle: Mapping[str, float]
    stdout: str


def run_timed(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    watch_lifecycle: bool = False,
) -> Timed:
    """Run to the end. Raises RunFailed with what the command said."""
    watch = _LifecycleWatch() if watch_lifecycle else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(
            list(argv),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        if watch is not None:
            watch.start(process.pid)
        try:
            peak = _await(process.pid)
            process.wait()
            seconds = time.monotonic() - started
        finally:
            if watch is not None:
                watch.finish()
        err.seek(0)
        if process.returncode != 0:
            said = "\n".join(err.read().decode(errors="replace").splitlines()[-25:])
            raise RunFailed(f"{' '.join(argv)}: exit code {process.returncode}\n{said}")
        out.seek(0)
        return Timed(
            seconds=seconds,
            peak_memory_bytes=peak,
            lifecycle=watch.seconds if watch is not None else {},
            stdout=out.read().decode(errors="replace"),
        )


def _await(pid: int) -> int:
    """Wait for the process without reaping it; returns its peak memory."""
    peak = 0
    descriptor = os.pidfd_open(pid)
    try:
        ended = False
        while not ended:
            peak = max(peak, _peak_memory(pid))
            ended = bool(select.select([descriptor], [], [], _MEMORY_POLL_SECONDS)[0])
    finally:
        os.close(descriptor)
    return peak


def _peak_memory(pid: int) -> int:
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(ln.split()[1]) * 1024 for ln in lines if ln.startswith("VmHWM:")), 0)


class _LifecycleWatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._old = set(_pids())
        self._root = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self, root: int) -> None:
        """Watch the descendants of a process."""
        self._root = root
        self._thread.start()

    def finish(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._stopped.is_set():
            found = self._look()
            now = time.monotonic()
            if found is not None:
                pid, phase = found
                ended = self._end_of(pid)
                self.seconds[phase] = ended - (before + now) / 2
                self._old.add(pid)
                now = time.monotonic()
            before = now
            time.sleep(_POLL_SECONDS)

    def _look(self) -> tuple[int, str] | None:
        for pid in _pids():
            if pid in self._old:
                continue
            program = _program(pid)
            if not program.startswith(_LIFECYCLE):
                continue
            phase = _PHASES.get(program.removeprefix(_LIFECYCLE).decode())
            if phase is not None and self._ours(pid):
                return pid, phase
            self._old.add(pid)
        return None

    def _ours(self, pid: int) -> bool:
        while pid > 1 and pid != self._root:
            pid = _parent(pid)
        return pid == self._root

    def _end_of(self, pid: int) -> float:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return time.monotonic()
        try:
            while not self._stopped.is_set():
                if select.select([descriptor], [], [], 0.5)[0]:
                    break
        finally:
            os.close(descriptor)
        return time.monotonic()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 (quick)


def _parent(pid: int) -> int:
    try:
        status = Path("/proc", str(pid), "stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])


def _program(pid: int) -> bytes:
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 256).partition(b"\0")[0]
    except OSError:
        return b""
    finally:
        os.close(descriptor)
