"""The cache of one build: found, locked, filled where it can be, and sent on after a success.

Nothing that is wrong with a cache of elsewhere fails a build: it says so in one note and goes on
without. A cache makes builds quick, it does not make them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.builder import BuilderImage
from lifecycle.cache_metadata import drop_damaged_sbom
from lifecycle.caches import BuildCache
from locald.build.git_branch import git_branch
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from locald.paths import Paths
from oci.errors import StorageError
from oci.locks import exclusive
from oci.skopeo import Skopeo

if TYPE_CHECKING:
    from locald.build.cache_transfer import CacheTransfer


@dataclass(frozen=True, kw_only=True)
class OpenCache:
    """A cache that nobody else uses now."""

    cache: BuildCache
    transfer: "CacheTransfer | None" = None

    def send(self) -> None:
        """Push it to its cache image, if it has one; the build has succeeded."""
        if self.transfer is not None:
            self.transfer.push()


@contextmanager
def open_cache(
    request: BuildRequest,
    builder: BuilderImage,
    *,
    paths: Paths,
    skopeo: Skopeo,
    observer: BuildObserver,
) -> Iterator[OpenCache]:
    """The cache of this build, which nobody else uses until the block ends."""
    caching = request.caching
    cache = BuildCache.locate(
        caching.folder or paths.ensure(paths.build_caches),
        project=request.project_name,
        # A folder that was chosen may have come from another machine.
        app_dir=None if caching.folder is not None else request.project_dir,
        service=request.service,
        platform=request.platform,
        distro=builder.distro or builder.stack_id,
        exec_env=request.exec_env,
    )
    cache.check()
    if caching.folder is not None:
        _make_folder(cache.root)
    with exclusive(cache.lock, what=f"the cache of {cache.root.name}", on_wait=observer.note):
        cache.prepare()
        cache.note_use(git_branch(request.project_dir))
        if caching.clear:
            cache.clear()
        if caching.folder is not None and not cache.empty:
            # What a folder brings along is not only what builds of this user have put there.
            from locald.build.cache_transfer import clear_damaged

            clear_damaged(cache, observer)
        if drop_damaged_sbom(cache.lifecycle):
            observer.note("the cached layers are damaged; their buildpacks make them again")
        transfer = None
        if caching.image is not None or caching.sources:
            # 15 ms, and most builds have a cache on this machine only.
            from locald.build.cache_transfer import CacheTransfer

            transfer = CacheTransfer(
                cache=cache,
                image=caching.image,
                platform=request.platform,
                skopeo=skopeo,
                observer=observer,
            )
            transfer.look()
            if not caching.clear:
                transfer.pull()
                transfer.fill(caching.sources)
        yield OpenCache(cache=cache, transfer=transfer)


def _make_folder(root: Path) -> None:
    """Of a cache in a folder that the user chose."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = os.access(root, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unusable(root, error.strerror or str(error)) from error
    if not usable:
        raise _unusable(root, "no permission to write there")


def _unusable(root: Path, why: str) -> StorageError:
    return StorageError(
        f"cannot use the folder {root.parent} for the cache: {why}",
        hint="give --cache a folder that you can write",
    )
