"""Execution environments: since when lifecycles know them, and what they do not share."""

from lifecycle.labels import EXEC_ENV
from lifecycle.platform_api import SINCE, PlatformApi
from locald.build.observer import BuildObserver
from locald.build.previous import PreviousImage
from locald.config.environment import DEFAULT_EXEC_ENV
from locald.config.request import BuildRequest

_SINCE = SINCE["CNB_EXEC_ENV"]


def tell_exec_env(request: BuildRequest, api: PlatformApi, observer: BuildObserver) -> None:
    """Say that an older lifecycle does not hear of it."""
    if request.exec_env != DEFAULT_EXEC_ENV and api < _SINCE:
        observer.note(
            f"the builder's lifecycle does not know the execution environment {request.exec_env}: "
            f"it speaks Platform API {api}, and {_SINCE} is the first with them"
        )


def of_same_exec_env(
    previous: PreviousImage | None,
    request: BuildRequest,
    api: PlatformApi,
    observer: BuildObserver,
) -> PreviousImage | None:
    """Nothing is reused of an image for another execution environment.

    Source: CNB platform specification 0.15, "analyzer". An image without the label is from before
    they existed, and so for production.
    """
    if previous is None or api < _SINCE:
        return previous
    theirs = previous.stored.config.labels.get(EXEC_ENV) or DEFAULT_EXEC_ENV
    if theirs == request.exec_env:
        return previous
    observer.detail(f"previous image: not reused, it is for the execution environment {theirs}")
    return None
