"""Several pieces of work at once, in threads that never keep the program from ending."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def side_by_side(work: Callable[[_T], _R], items: Sequence[_T], *, workers: int) -> list[_R]:
    """`work` of every item, in the items' order. The first failure is raised when those that run
    have ended; what was not begun is left. An interruption does not wait for them."""
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
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(items))]
