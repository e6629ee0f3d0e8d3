"""Ends work from outside: that of other threads at Ctrl-C, that of a build whose time is over.

Python delivers signals to the main thread only, and nothing interrupts a thread that waits for a
child. So whatever waits here looks at the cancellation that applies to its thread: it raises in
that thread what it was cancelled with, once, as a signal would; what the thread does afterwards,
to clean up, is left alone.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Self


class Cancellation:
    """May be cancelled, once, from any thread. `fd` becomes readable then."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._reason: Callable[[], BaseException] | None = None
        self._lock = threading.Lock()

    def cancel(self, reason: Callable[[], BaseException]) -> None:
        """End the work; the first reason counts. `reason` makes the exception for each thread."""
        with self._lock:
            if self._reason is None and self.fd >= 0:
                self._reason = reason
                os.eventfd_write(self.fd, 1)

    @property
    def cancelled(self) -> bool:
        """Has it been cancelled?"""
        return self._reason is not None

    @contextmanager
    def applies(self) -> Iterator[None]:
        """What this thread does in the block can be cancelled, by this one too."""
        token = _scopes.set((*_scopes.get(), _Scope(self)))
        try:
            yield
        finally:
            _scopes.reset(token)

    def exception(self) -> BaseException | None:
        """A new exception that says why it was cancelled; None when it was not."""
        return None if self._reason is None else self._reason()

    def close(self) -> None:
        """Nobody uses it any more."""
        with self._lock:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class _Scope:
    """What applies to one thread. `delivered`: it knows, and is cleaning up."""

    cancellation: Cancellation
    delivered: bool = False


_scopes: ContextVar[tuple[_Scope, ...]] = ContextVar("cancellation scopes", default=())


def current_cancellations() -> tuple[Cancellation, ...]:
    """All that may still end the work of this thread."""
    return tuple(scope.cancellation for scope in _scopes.get() if not scope.delivered)


def check_cancelled() -> None:
    """Raise what this thread's work was cancelled with, the first time that it is asked."""
    for scope in _scopes.get():
        reason = None if scope.delivered else scope.cancellation.exception()
        if reason is not None:
            scope.delivered = True
            raise reason


@contextmanager
def time_limit(seconds: float | None, reason: Callable[[], BaseException]) -> Iterator[None]:
    """Cancel what this thread does in the block when it takes longer; None: no limit."""
    if seconds is None:
        yield
        return
    with Cancellation() as cancellation:
        timer = threading.Timer(seconds, cancellation.cancel, [reason])
        timer.daemon = True
        timer.start()
        try:
            with cancellation.applies():
                yield
        finally:
            timer.cancel()
