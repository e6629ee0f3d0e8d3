"""A request as it is when only detection is asked for: it keeps nothing, and reuses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from locald.build.tools import Tools
from locald.config.caching import CacheRequest
from locald.config.request import BuildRequest
from oci.scratch import scratch_folder


@contextmanager
def for_detection(request: BuildRequest, tools: Tools) -> Iterator[BuildRequest]:
    """Its cache is an empty one that is gone afterwards; the project's is not even locked."""
    with scratch_folder(tools.paths.ensure(tools.paths.work), tools.runner) as folder:
        yield replace(request, caching=CacheRequest(folder=folder / "cache", clear=True))
