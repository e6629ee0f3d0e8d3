"""Pieces of work at once: order, failures, cancellation."""

import threading
import time

import pytest

from oci.cancellation import Cancellation, time_limit
from oci.errors import BusyError
from oci.side_by_side import interruptible, side_by_side


def test_results_come_in_the_items_order() -> None:
    def work(number: int) -> int:
        time.sleep(0.02 / number)
        return number * 10

    assert side_by_side(work, [1, 2, 3, 4, 5], workers=3) == [10, 20, 30, 40, 50]
    assert side_by_side(work, [], workers=3) == []


def test_no_more_than_so_many_run_at_once() -> None:
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        with lock:
            running.append(number)
            most.append(len(running))
        time.sleep(0.01)
        with lock:
            running.remove(number)

    side_by_side(work, list(range(8)), workers=2)
    assert max(most) == 2


def test_a_failure_is_raised_and_ends_what_was_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        side_by_side(work, list(range(100)), workers=1)
    assert begun == [0, 1]


def test_a_time_limit_does_not_wait_for_what_is_silent() -> None:
    release = threading.Event()

    def wait(_: int) -> None:
        release.wait(20)

    began = time.monotonic()
    with pytest.raises(BusyError, match="over"), time_limit(0.1, lambda: BusyError("over")):
        side_by_side(wait, [1, 2, 3], workers=2)
    assert time.monotonic() - began < 5
    release.set()


def test_work_that_nobody_cancels_stays_in_its_thread() -> None:
    assert interruptible(threading.current_thread) is threading.current_thread()
    with Cancellation() as cancellation, cancellation.applies():
        assert interruptible(threading.current_thread) is not threading.current_thread()
