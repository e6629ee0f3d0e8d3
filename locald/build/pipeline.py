"""One build, from a request to a delivered image. The steps are explained in `build_run`."""

from contextlib import ExitStack

from locald.build.build_run import BuildRun
from locald.build.ledger import Ledger
from locald.build.observer import BuildObserver
from locald.build.tools import Tools
from locald.config.request import BuildRequest
from oci.cancellation import time_limit
from oci.errors import BusyError


def build(request: BuildRequest, tools: Tools, observer: BuildObserver, ledger: Ledger) -> None:
    """Build one image, or only detect what would build it; the ledger tells how it went.

    Raises `oci.errors.Error`; nothing half-made stays visible.
    """
    with time_limit(request.timeout_seconds, lambda: _out_of_time(request)), ExitStack() as stack:
        run = BuildRun(request, tools, observer, ledger, stack)
        run.acquire()
        run.prepare()
        if run.reuse_last_image():
            return
        run.open_sandbox()
        run.detect()
        if request.detect_only:
            return
        run.extend()
        run.execute()
        run.deliver()


def _out_of_time(request: BuildRequest) -> BusyError:
    return BusyError(
        f"{request.origins['timeout_seconds']}: the build did not end within "
        f"{request.timeout_seconds} s",
        hint="give it more time with --timeout; the last image is as it was",
    )
