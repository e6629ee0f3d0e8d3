"""Asks a server again where that may help."""

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

from oci.errors import ImageError, StalledError
from oci.patience import Patience
from oci.side_by_side import interruptible

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Transient(Exception):
    """Worth another try. `final` is what to tell when there is none; asked_seconds: how long the
    server asks to be left alone."""

    def __init__(self, final: ImageError, *, asked_seconds: float | None = None) -> None:
        super().__init__(final.message)
        self.final = final
        self.asked_seconds = asked_seconds


def persist(ask: Callable[[], _T], patience: Patience, sleep: Callable[[float], None]) -> _T:
    """Ask until there is an answer, or no hope for one. Raises what was the last trouble."""
    tried = 0
    while True:
        tried += 1
        try:
            return ask()
        except Transient as error:
            pause = patience.pause(
                tried,
                asked_seconds=error.asked_seconds,
                stalled=isinstance(error.final, StalledError),
            )
            if pause is None:
                raise error.final from error
            log.info("%s; asking again in %.1f s", error, pause)
            interruptible(partial(sleep, pause))


def retry_after(text: str) -> float | None:
    """What a header `Retry-After` asks for: seconds, or a date."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
