"""The limits of one build, put into force and told."""

from collections.abc import Iterator
from pathlib import Path

from lifecycle.disk_budget import DiskBudget
from lifecycle.disk_watch import DiskWatch
from lifecycle.runtime.limits import Enforcement
from lifecycle.runtime.spec import Sandbox
from locald.build.observer import BuildObserver
from oci.process import CommandRunner
from oci.size_text import size_text


def tell_limits(enforcement: Enforcement, observer: BuildObserver) -> None:
    """What is limited, and by what."""
    told = ", ".join(_lines(enforcement))
    observer.detail(f"limits of detect and build: {told or 'none'}")


def keep_disk_limit(
    watch: DiskWatch,
    enforcement: Enforcement,
    sandbox: Sandbox,
    *,
    root: Path,
    cache: Path,
    runner: CommandRunner,
) -> DiskBudget | None:
    """Let the watch look at what the build keeps, if that is limited; to be closed after it."""
    limit = enforcement.limits.disk
    if limit is None:
        return None
    budget = DiskBudget(
        limit,
        folders=(root, *sandbox.folders),
        caches=(cache,),
        runner=runner,
        inside=sandbox.inside,
    )
    watch.keep_to(budget)
    return budget


def _lines(enforcement: Enforcement) -> Iterator[str]:
    limits = enforcement.limits
    if limits.memory is not None:
        yield f"memory {size_text(limits.memory.amount)} ({enforcement.memory_by})"
    if limits.pids is not None:
        yield f"processes {limits.pids.amount} ({enforcement.pids_by})"
    if limits.disk is not None:
        yield f"disk {size_text(limits.disk.amount)} ({enforcement.disk_by})"
