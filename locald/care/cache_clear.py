"""Empties the folder of caches: what builds left of every project, downloads, unpacked modules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.caches import BuildCache
from locald.build.project_caches import cache_name
from locald.care.cache_list import KeptFile, all_caches, kept_files
from locald.care.cache_lock import alone_with
from locald.paths import Paths
from oci.allocation import allocated_bytes
from oci.leases import alone
from oci.locks import FileLock

_DOWNLOADS, _MODULES = "downloads", "modules"


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """One thing that went, or stays because a build uses it."""

    name: str
    size_bytes: int
    in_use: bool = False


class CacheClearer:
    """remove: deletes a folder, whoever owns what is in it. on_wait: told before waiting."""

    def __init__(
        self, paths: Paths, remove: Callable[[Path], object], on_wait: Callable[[str], None]
    ) -> None:
        self._paths = paths
        self._remove = remove
        self._on_wait = on_wait

    def clear(self, cache: BuildCache) -> Cleared:
        """Forget what one cache holds; waits for a build that uses it."""
        cache.check()
        name = f"the cache of {cache_name(cache.identity)}"
        with alone_with(cache, on_wait=self._on_wait):
            size = cache.size_bytes()
            cache.clear(remove=self._remove)
        return Cleared(name=name, size_bytes=size)

    def clear_all(self) -> Iterable[Cleared]:
        """Delete everything that can be made or fetched again; waits for builds with a cache, and
        leaves what others have mounted."""
        for cache in all_caches(self._paths):
            yield self._delete(cache)
        for file in kept_files(self._paths):
            yield self._drop(file)
        downloads = self._paths.cache_dir / _DOWNLOADS
        for record in downloads.glob("urls/*"):
            record.unlink(missing_ok=True)
        for folder in (downloads, self._paths.cache_dir / _MODULES):
            _unlock(folder / "locks")

    def _delete(self, cache: BuildCache) -> Cleared:
        size = allocated_bytes(cache.root)
        if not cache.identity.platform:
            delete_unknown(cache, self._remove)
            return Cleared(name=cache.root.name, size_bytes=size)
        name = f"the cache of {cache_name(cache.identity)}"
        with alone_with(cache, on_wait=self._on_wait):
            cache.delete(remove=self._remove)
        return Cleared(name=name, size_bytes=size)

    def _drop(self, file: KeptFile) -> Cleared:
        gone = delete_kept(file.path, self._remove)
        return Cleared(name=file.name, size_bytes=file.size_bytes, in_use=not gone)


def delete_unknown(cache: BuildCache, remove: Callable[[Path], object]) -> None:
    """Delete what does not say whose it is."""
    if cache.root.is_symlink() or not cache.root.is_dir():
        cache.root.unlink(missing_ok=True)
    else:
        cache.delete(remove=remove)


def delete_kept(path: Path, remove: Callable[[Path], object]) -> bool:
    """Delete a download, or what was unpacked of one; False when a build uses it."""
    with alone(path) as free:
        if free and path.is_dir() and not path.is_symlink():
            remove(path)
        elif free:
            path.unlink(missing_ok=True)
        return free


def _unlock(folder: Path) -> None:
    """Delete locks that nobody holds; whoever waits for one takes another."""
    for path in folder.glob("*.lock"):
        lock = FileLock.take(path)
        if lock is not None:
            path.unlink(missing_ok=True)
            lock.release()
