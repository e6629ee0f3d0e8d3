"""Asks a registry again where that may help."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from oci.patience import Patience
from oci.registry_errors import RegistryTimeoutError, Transient
from oci.side_by_side import interruptible

log = logging.getLogger(__name__)

_T = TypeVar("_T")


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
                stalled=isinstance(error.final, RegistryTimeoutError),
            )
            if pause is None:
                raise error.final from error
            log.info("%s; asking again in %.1f s", error, pause)
            interruptible(partial(sleep, pause))
