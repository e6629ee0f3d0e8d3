"""A cache, while it is looked through or deleted."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from lifecycle.caches import BuildCache
from locald.build.project_caches import cache_name
from oci.locks import FileLock, exclusive


@contextmanager
def alone_with(
    cache: BuildCache, *, on_wait: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """No build uses the cache during the block; yields False when one does.

    on_wait: then wait for it, which is told first.
    """
    with ExitStack() as stack:
        free = True
        try:
            if cache.lock.is_symlink():  # of a stranger's; builds refuse such a cache
                pass
            elif on_wait is not None:
                what = f"the cache of {cache_name(cache.identity)}"
                stack.enter_context(exclusive(cache.lock, what=what, on_wait=on_wait))
            elif (lock := FileLock.take(cache.lock)) is not None:
                stack.callback(lock.release)
            else:
                free = False
        except OSError:
            # On a full disk there can be no new lock, and no build begins without one.
            if os.path.lexists(cache.lock):
                raise
        yield free
