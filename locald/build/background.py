"""Work beside the phases, or beside the delivery."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

from oci.cancellation import Cancellation, current_cancellations
from oci.platform import Platform
from oci.store import ImageStore, StoredImage


class Background:
    """One piece of work in a thread of its own. `needed` False: there is nothing to do."""

    def __init__(self, work: Callable[[], None], *, needed: bool) -> None:
        self._error: BaseException | None = None
        self._work = work
        self._thread: threading.Thread | None = None
        self._cancellations: tuple[Cancellation, ...] = ()
        if needed:
            # What ends the build ends this as well.
            self._cancellations = current_cancellations()
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until it has ended, however that was."""
        if self._thread is not None:
            self._thread.join()

    def join(self) -> None:
        """Until it has ended; raises what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                for cancellation in self._cancellations:
                    stack.enter_context(cancellation.applies())
                self._work()
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
            self._error = error


def complete_beside(
    store: ImageStore, stored: StoredImage, platform: Platform, *, needed: bool
) -> Background:
    """Fetch the layers that an image lacks. needed: does an output want them?"""
    return Background(
        lambda: store.complete(stored, platform), needed=needed and not stored.complete
    )
