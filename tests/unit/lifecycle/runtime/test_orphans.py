"""What a killed podman leaves running."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.runtime.orphans import end_orphans
from tests.support.waiting import wait_until

# Its child would go on without it.
_SCRIPT = "sleep 300 & echo $!; wait"


def started(name: str, folder: Path) -> subprocess.Popen[bytes]:
    argv = [name, "-c", _SCRIPT, str(folder)]
    return subprocess.Popen(
        argv, executable="/bin/sh", stdout=subprocess.PIPE, start_new_session=True
    )


def child_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def gone(pid: int) -> bool:
    try:
        status = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return status == "Z"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("name", ["conmon", "/usr/bin/runc", "crun"])
def test_helpers_of_this_state_end_with_all_that_they_started(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], name: str
) -> None:
    process = started(name, tmp_path / "state/bundle")
    processes.append(process)
    child = child_of(process)
    end_orphans(tmp_path / "state")
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert wait_until(lambda: gone(child), seconds=10)


@pytest.mark.parametrize(("name", "place"), [("conmon", "another"), ("sh", "state")])
def test_others_go_on(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], name: str, place: str
) -> None:
    process = started(name, tmp_path / place)
    processes.append(process)
    child_of(process)
    end_orphans(tmp_path / "state")
    assert process.poll() is None
