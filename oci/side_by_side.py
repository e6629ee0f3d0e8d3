"""Several pieces of work at once, in threads that never keep the program from ending."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from oci.cancellation import check_cancelled, current_cancellations

_WATCH_SECONDS = 0.1

_T = TypeVar("_T")
_R = TypeVar("_R")


def side_by_side(work: Callable[[_T], _R], items: Sequence[_T], *, workers: int) -> list[_R]:
    """`work` of every item, in the items' order. The first failure is raised when those that run
    have ended; what was not begun is left. An interruption or a cancellation of the calling thread
    does not wait for them."""
    waiting: SimpleQueue[int] = SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)
    results: dict[int, _R] = {}
    errors: list[BaseException] = []

    def run() -> None:
        while not errors:
            try:
                index = waiting.get_nowait()
            except Empty:
                return
            try:
                results[index] = work(items[index])
            except BaseException as error:  # noqa: BLE001  (raised below, in the caller's thread)
                errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            _await(thread)
    except BaseException as error:
        errors.append(error)  # so that no other item is begun
        raise
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(items))]


def interruptible(work: Callable[[], _T]) -> _T:
    """Work that looks at no cancellation, such as a request that may be silent for long: beside
    this thread, where that may be cancelled."""
    if not current_cancellations():
        return work()
    return side_by_side(lambda each: each(), [work], workers=1)[0]


def _await(thread: threading.Thread) -> None:
    """Join it; what cancels this thread is looked for now and then."""
    while thread.is_alive():
        thread.join(_WATCH_SECONDS if current_cancellations() else None)
        check_cancelled()
