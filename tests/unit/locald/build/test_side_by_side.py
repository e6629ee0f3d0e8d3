"""Several builds at once: order, failures, interruptions."""

import os
import signal
import threading
import time
from functools import partial
from types import FrameType

import pytest

from locald.build.side_by_side import side_by_side
from oci.errors import ImageError, Interrupted
from oci.process import Command, CommandRunner

SLEEP = Command(argv=("sleep", "60"), stop_grace_seconds=1)


def test_results_come_in_the_order_of_the_work() -> None:
    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    works = [partial(work, seconds) for seconds in (0.05, 0.0, 0.02)]
    assert side_by_side(works, jobs=3) == (0.05, 0.0, 0.02)


def test_no_more_than_jobs_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    side_by_side([work] * 6, jobs=2)
    assert most == 2


def test_one_failure_leaves_the_others_alone() -> None:
    error = ImageError("no")

    def fail() -> str:
        raise error

    assert side_by_side([fail, lambda: "built"], jobs=1) == (error, "built")


def test_a_bug_ends_all_and_is_raised() -> None:
    def bug() -> None:
        time.sleep(0.1)
        raise ZeroDivisionError

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        side_by_side([bug, lambda: CommandRunner().run(SLEEP)], jobs=2)
    assert time.monotonic() - started < 30


def test_ctrl_c_ends_every_build() -> None:
    ended: list[str] = []

    def work() -> None:
        try:
            CommandRunner().run(SLEEP)
        finally:
            ended.append("cleaned up")

    def interrupt(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
        with pytest.raises(Interrupted) as caught:
            side_by_side([work] * 3, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.signal_number == signal.SIGINT
    assert ended == ["cleaned up"] * 2
