"""The tools that locald starts are killed in the middle of their work."""

import os
import re
import signal
import time
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row

# Which tool, in which build, with which flags; a word of its command line.
_TOOLS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("skopeo", "first", (), r"^skopeo .* copy "),
    ("umoci", "first", (), r"^umoci unpack"),
    ("unshare", "later", (), r"^unshare --user"),
    ("the namespace's first process", "later", (), r"^cat"),
    (
        "runc",
        "later",
        ("--runtime", "runc"),
        r"^(/\S+/)?runc .*-(build|analyze|detect|restore|export)",
    ),
    (
        "runc init",
        "later",
        ("--runtime", "runc"),
        r"^runc init|^(/\S+/)?runc.* init|/cnb/lifecycle/",
    ),
    ("slirp4netns", "later", ("--runtime", "runc"), r"^(/\S+/)?slirp4netns"),
    ("podman", "later", ("--runtime", "podman"), r"^(/\S+/)?podman .*-(build|analyze|detect)"),
    ("conmon", "later", ("--runtime", "podman"), r"conmon "),
    ("bwrap", "later", ("--runtime", "bwrap"), r"^(/\S+/)?bwrap "),
    (
        "skopeo delivering",
        "later",
        ("--output", "docker-archive:{root}/archive.tar"),
        r"^skopeo .* copy .* docker-archive:",
    ),
)
_TRIES = 3


def _cases(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = [
        Case(name=f"{tool}, {number}", hold=_killed(when, flags, pattern, number * 0.04))
        for tool, when, flags, pattern in _TOOLS
        for number in range(_TRIES)
    ]
    return (found[3], found[12]) if quick else tuple(found)


def _killed(when: str, flags: tuple[str, ...], pattern: str, delay: float) -> Any:
    def hold(laboratory: Laboratory) -> None:
        template = laboratory.cold if when == "first" else laboratory.warm
        with laboratory.place(template) as here:
            words = [flag.format(root=here.root) for flag in flags]
            digest = laboratory.warm.digest
            with here.start(*words) as build:
                pid = _find(here, build.pid, pattern)
                if pid:
                    time.sleep(delay)
                    _kill(pid)
                result = build.finish(seconds=120)
            check(bool(pid), "the tool was not seen")
            here.check_told(result)
            check(result.code != 0 or result.digest == digest, "another image")
            here.check_nothing_runs()
            here.check_visible()
            here.check_as_good_as_new(*words)

    return hold


def _find(here: Place, ancestor: int, pattern: str) -> int:
    """The first process of this build whose command line matches; 0 when it ends without one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and os.path.exists(f"/proc/{ancestor}"):  # noqa: PTH110
        for pid, command in here.running().items():
            if pid != ancestor and re.search(pattern, command) and _descends(pid, ancestor):
                return pid
        if _zombie(ancestor):
            break
    return 0


def _descends(pid: int, ancestor: int) -> bool:
    """Through daemons too: what is tied to this machine's folder and is no child is conmon."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
                pid = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return True


def _zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


ROWS = (
    Row(
        key="children",
        title="kill -9 of skopeo, umoci, runc, podman, slirp4netns, bwrap",
        cases=_cases,
        minutes=3,
    ),
)
