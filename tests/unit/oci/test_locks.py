"""Locks between processes, with real processes."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from oci.errors import BusyError
from oci.locks import exclusive
from oci.process import Command, CommandRunner, RunningCommand

HOLDER = """
import sys
from pathlib import Path
from oci.locks import exclusive
with exclusive(Path(sys.argv[1]), what="it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> RunningCommand:
    """Another process that holds the lock until it is closed."""
    holder = CommandRunner().start(Command(argv=(sys.executable, "-c", HOLDER, str(path))))
    assert holder.read_line() == "held"
    return holder


def test_a_lock_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/lock"
    holder = hold(path)
    told: list[str] = []

    def on_wait(text: str) -> None:
        told.append(text)
        threading.Thread(target=holder.close).start()

    with exclusive(path, what="the build of shop", on_wait=on_wait):
        assert told
    assert told == ["waiting: another locald is using the build of shop"]


def test_waiting_has_an_end_when_one_is_given(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        hold(path),
        pytest.raises(BusyError, match="another locald is still using the cache"),
        exclusive(path, what="the cache", timeout_seconds=0.1),
    ):
        pytest.fail("the lock is held")


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with exclusive(tmp_path / "lock", what="it", on_wait=told.append):
            pass
    assert told == []


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = hold(path)
    os.kill(holder.pid, signal.SIGKILL)
    with exclusive(path, what="it", timeout_seconds=20):
        pass
    holder.close()


def test_an_exception_inside_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(KeyError), exclusive(path, what="it"):
        raise KeyError
    with exclusive(path, what="it", timeout_seconds=0):
        pass


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        exclusive(path, what="it"),
        pytest.raises(BusyError),
        exclusive(path, what="it", timeout_seconds=0.05),
    ):
        pytest.fail("the lock is held")


def test_a_lock_file_that_its_holder_deletes_is_no_lock_any_more(tmp_path: Path) -> None:
    path = tmp_path / "cache/lock"
    holder = hold(path)

    def on_wait(_: str) -> None:
        path.unlink()
        path.parent.rmdir()
        threading.Thread(target=holder.close).start()

    with (
        exclusive(path, what="the cache", on_wait=on_wait),
        pytest.raises(BusyError),
        exclusive(path, what="the cache", timeout_seconds=0.05),
    ):
        pytest.fail("the lock is held")
    assert path.is_file()
