"""What goes on without a podman that was killed: conmon, the OCI runtime, a container half made."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lifecycle.runtime.process_tree import below, read_processes

_HELPERS = frozenset({b"conmon", b"runc", b"crun"})
# As long as a helper may take to start the next one.
_SECONDS, _POLL_SECONDS = 1.0, 0.05


def end_orphans(folder: Path) -> None:
    """Kill podman's helpers that were told of this folder, which is its state, and all that they
    have started."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for pid in list(_helpers_of(folder)):
            # Itself first, so that it starts nothing else.
            for one in below(pid, read_processes()[1]):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(one, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _helpers_of(folder: Path) -> Iterator[int]:
    place = os.fsencode(folder)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or somebody else's
            words = (process / "cmdline").read_bytes().split(b"\0")
            if os.path.basename(words[0]) in _HELPERS and any(place in word for word in words):  # noqa: PTH119
                yield int(process.name)
