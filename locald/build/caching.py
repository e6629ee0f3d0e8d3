"""The cache of one build: found, locked, made ready."""

from collections.abc import Iterator
from contextlib import contextmanager

from lifecycle.builder import BuilderImage
from lifecycle.caches import BuildCache
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from locald.paths import Paths
from oci.locks import exclusive


@contextmanager
def open_cache(
    request: BuildRequest, builder: BuilderImage, *, paths: Paths, observer: BuildObserver
) -> Iterator[BuildCache]:
    """The cache of this build, which nobody else uses until the block ends."""
    cache = BuildCache.locate(
        paths.ensure(paths.build_caches),
        project=request.project_name,
        app_dir=request.app_dir,
        service=request.service,
        platform=request.platform,
        distro=builder.distro or builder.stack_id,
        exec_env=request.exec_env,
    )
    with exclusive(cache.lock, what=f"the cache of {cache.root.name}", on_wait=observer.note):
        cache.prepare()
        if request.caching.clear:
            cache.clear()
        yield cache
