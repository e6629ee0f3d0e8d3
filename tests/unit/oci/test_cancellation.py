"""Work that is ended from outside of its thread."""

import threading
import time
from pathlib import Path

import pytest

from oci.cancellation import Cancellation, check_cancelled, time_limit
from oci.errors import BusyError, Interrupted
from oci.locks import FileLock, exclusive
from oci.process import Command, CommandRunner

SLEEP = Command(argv=("sleep", "60"), stop_grace_seconds=1)


def in_thread(cancellation: Cancellation, caught: list[BaseException]) -> threading.Thread:
    def work() -> None:
        try:
            with cancellation.applies():
                CommandRunner().run(SLEEP)
        except Interrupted as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_command_of_another_thread_ends_at_once() -> None:
    caught: list[BaseException] = []
    with Cancellation() as cancellation:
        threads = [in_thread(cancellation, caught) for _ in range(3)]
        time.sleep(0.1)
        started = time.monotonic()
        cancellation.cancel(lambda: Interrupted(15))
        for thread in threads:
            thread.join()
    assert time.monotonic() - started < 10
    assert [type(error) for error in caught] == [Interrupted] * 3


def test_it_is_told_once_so_that_cleaning_up_can_run_commands() -> None:
    with Cancellation() as cancellation, cancellation.applies():
        cancellation.cancel(lambda: Interrupted(2))
        with pytest.raises(Interrupted):
            CommandRunner().run(SLEEP)
        assert CommandRunner().run(Command(argv=("echo", "clean"))).text == "clean\n"
        check_cancelled()


def test_the_first_reason_counts() -> None:
    with Cancellation() as cancellation, cancellation.applies():
        cancellation.cancel(lambda: BusyError("first"))
        cancellation.cancel(lambda: BusyError("second"))
        with pytest.raises(BusyError, match="first"):
            check_cancelled()


def test_a_wait_for_a_lock_ends(tmp_path: Path) -> None:
    held = FileLock.take(tmp_path / "lock")
    assert held is not None
    with time_limit(0.1, lambda: BusyError("time is over")):  # noqa: SIM117
        with pytest.raises(BusyError, match="time is over"):
            with exclusive(tmp_path / "lock", what="it"):
                pytest.fail("two hold it")
    held.release()


def test_a_time_limit_ends_a_command_and_nothing_after_it() -> None:
    started = time.monotonic()
    with pytest.raises(BusyError, match="too long"), time_limit(0.2, lambda: BusyError("too long")):
        CommandRunner().run(SLEEP)
    assert time.monotonic() - started < 10
    with time_limit(60, lambda: BusyError("too long")):
        CommandRunner().run(Command(argv=("true",)))
    with time_limit(None, lambda: BusyError("never")):
        CommandRunner().run(Command(argv=("true",)))
    check_cancelled()


def test_an_outer_cancellation_reaches_into_a_time_limit() -> None:
    with Cancellation() as outer, outer.applies():
        threading.Timer(0.1, outer.cancel, [lambda: Interrupted(15)]).start()
        with time_limit(60, lambda: BusyError("too long")), pytest.raises(Interrupted):
            CommandRunner().run(SLEEP)
