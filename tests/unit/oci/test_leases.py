"""Leases: what a process uses stays, and ends with the process."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from oci.leases import Leases, alone, shared
from oci.process import Command, CommandRunner, RunningCommand

USER = """
import sys
from pathlib import Path
from oci.leases import Leases
Leases().take(Path(sys.argv[1]))
print("used", flush=True)
sys.stdin.read()
"""


def other_user(path: Path) -> RunningCommand:
    """Another process that uses a path until it is closed."""
    running = CommandRunner().start(Command(argv=(sys.executable, "-c", USER, str(path))))
    assert running.read_line() == "used"
    return running


@pytest.fixture(params=["folder", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir() if request.param == "folder" else made.touch()
    return made


def test_what_another_process_uses_is_not_ours_alone(path: Path) -> None:
    with other_user(path), alone(path) as free:
        assert not free
    with alone(path) as free:
        assert free


def test_what_a_killed_process_used_is_free(path: Path) -> None:
    running = other_user(path)
    os.kill(running.pid, signal.SIGKILL)
    running.close()
    with alone(path, timeout_seconds=20) as free:
        assert free


def test_several_may_use_the_same(path: Path) -> None:
    mine = Leases()
    mine.take(path)
    mine.take(path)
    with other_user(path), shared(path):
        pass
    with alone(path) as free:
        assert not free
    mine.release()
    with alone(path) as free:
        assert free


def test_who_wants_to_use_what_is_deleted_now_finds_it_gone(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.mkdir()
    outcomes: list[str] = []

    def use() -> None:
        try:
            Leases().take(path)
            outcomes.append("used")
        except FileNotFoundError:
            outcomes.append("gone")

    with alone(path) as free:
        assert free
        thread = threading.Thread(target=use)
        thread.start()
        time.sleep(0.1)
        assert outcomes == []
        path.rmdir()
    thread.join()
    assert outcomes == ["gone"]


def test_what_was_made_anew_is_used_anew(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.mkdir()
    mine = Leases()
    mine.take(path)
    path.rename(tmp_path / "old")
    path.mkdir()
    mine.take(path)
    with alone(path) as free:
        assert not free
    with alone(tmp_path / "old") as free:
        assert free


def test_what_is_not_there_can_be_neither_used_nor_had_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Leases().take(tmp_path / "gone")
    with alone(tmp_path / "gone") as free:
        assert not free


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="symbolic links"):
        Leases().take(tmp_path / "link")
