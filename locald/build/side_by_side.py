"""Several builds at the same time, each in a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from oci.cancellation import Cancellation
from oci.errors import Error, Interrupted

_T = TypeVar("_T")
_POLL_SECONDS = 0.1


def side_by_side(works: Sequence[Callable[[], _T]], *, jobs: int) -> tuple[_T | Error, ...]:
    """Do all, at most `jobs` at once; what each returned, or the `Error` that it failed with.

    One failure does not stop the others. An interruption, or a bug, ends all of them: it is
    raised when each has cleaned up.
    """
    results: dict[int, _T | Error] = {}
    bugs: list[BaseException] = []
    waiting: SimpleQueue[int] = SimpleQueue()
    for index in range(len(works)):
        waiting.put(index)
    ended: SimpleQueue[None] = SimpleQueue()

    def work_off() -> None:
        try:
            while not cancellation.cancelled:
                index = waiting.get_nowait()
                with cancellation.applies():
                    try:
                        results[index] = works[index]()
                    except Error as error:
                        results[index] = error
        except (Empty, Interrupted):
            pass
        except BaseException as bug:  # noqa: BLE001  (raised in the thread that waits)
            bugs.append(bug)
            cancellation.cancel(lambda: Interrupted(0))
        finally:
            ended.put(None)

    with Cancellation() as cancellation:
        running = min(jobs, len(works))
        for _ in range(running):
            threading.Thread(target=work_off, daemon=True).start()
        try:
            while running:
                _await(ended)
                running -= 1
        except BaseException as error:
            number = error.signal_number if isinstance(error, Interrupted) else 0
            cancellation.cancel(lambda: Interrupted(number))
            for _ in range(running):
                _await(ended)
            raise
    if bugs:
        raise bugs[0]
    return tuple(results[index] for index in range(len(works)))


def _await(ended: "SimpleQueue[None]") -> None:
    while True:
        # The kernel may hand a signal to any thread, and Python's handlers run in this one, when
        # it next does anything: it must not wait for long.
        with suppress(Empty):
            return ended.get(timeout=_POLL_SECONDS)
