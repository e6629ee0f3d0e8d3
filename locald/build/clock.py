"""Times the platform's own steps, for the report."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Starts when it is made. `seconds` has each step by its name."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of the block to a step."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started
