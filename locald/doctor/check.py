"""One check: a probe with a name and a time limit."""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from locald.doctor.finding import EXHAUSTED, Finding, Level
from locald.doctor.host import Host
from oci.cancellation import time_limit
from oci.errors import BusyError, Error

# What is instant on a healthy host. A machine under load must not look like a broken one.
LIMIT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """name: for programs, never changed. title: for people, what is in question."""

    name: str
    title: str
    probe: Callable[[Host], Finding]
    limit_seconds: float = LIMIT_SECONDS


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A check that was made."""

    check: Check
    finding: Finding
    seconds: float


def make(check: Check, host: Host, *, timed: bool = True) -> Checked:
    """Make a check. It never fails: what it cannot find out is a warning.

    timed: end it when it takes too long; that needs a thread.
    """
    started = time.monotonic()
    try:
        finding = _within_limit(check, host) if timed else check.probe(host)
    except Error as error:
        finding = host.told(Level.WARN, error)
    except EXHAUSTED as error:
        finding = Finding(level=Level.WARN, symptom=f"cannot be found out: {error}")
    return Checked(check=check, finding=finding, seconds=time.monotonic() - started)


def _within_limit(check: Check, host: Host) -> Finding:
    limit = check.limit_seconds
    with ExitStack() as stack:
        with suppress(RuntimeError):  # no thread to watch the time: do without
            stack.enter_context(
                time_limit(limit, lambda: BusyError(f"no answer within {limit:g} s"))
            )
        return check.probe(host)
