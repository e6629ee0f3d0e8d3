"""A build's cache and the caches of elsewhere: its image, and those that it may start from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from lifecycle.cache_archive import read_archive
from lifecycle.cache_content import check_committed
from lifecycle.cache_copy import copy_cache, matching, matching_cache
from lifecycle.cache_image import CacheImage, Moved
from lifecycle.cache_metadata import COMMITTED
from lifecycle.cache_packing import read_state
from lifecycle.caches import BuildCache, CacheIdentity
from locald.build.observer import BuildObserver
from locald.config.caching import CacheSource
from oci.errors import ImageError, StorageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.registry_errors import AccessRefusedError, WrongLoginError
from oci.skopeo import RemoteImage, Skopeo

_T = TypeVar("_T")


def clear_damaged(cache: BuildCache, observer: BuildObserver) -> None:
    """Empty a cache, its lock held, whose layers are not what their names say, or would be
    restored to elsewhere than layers are: the lifecycle does not look at the latter."""
    try:
        check_committed(cache.lifecycle / COMMITTED, in_place=True)
    except (ImageError, OSError) as error:
        why = _told(error) if isinstance(error, ImageError) else str(error)
        observer.note(f"the cache in {cache.root} is not used: {why}")
        cache.clear()


@dataclass(kw_only=True)
class CacheTransfer:
    """Brings things to a cache whose lock is held, and pushes it."""

    cache: BuildCache
    image: ImageLocation | None
    platform: Platform
    skopeo: Skopeo
    observer: BuildObserver
    _remote: RemoteImage | None = field(default=None, init=False)
    _unknown: bool = field(default=False, init=False)

    def look(self) -> None:
        """See what the cache image is. Where that cannot be told it will not be replaced either."""
        if self.image is None:
            return
        try:
            self._remote = self._find(self._at(self.image))
        except (ImageError, StorageError) as error:
            self._unknown = True
            self.observer.note(f"the cache image {self.image} is not used: {_told(error)}")

    def pull(self) -> None:
        """Take over the cache image where it is not what this cache was made from."""
        if self.image is None or self._remote is None:
            return
        state = read_state(self.cache.image)
        if not self.cache.empty and state.descends_from(self._remote.digest):
            self.observer.detail(f"cache: nothing new at {self.image}")
            return
        self._take(self._at(self.image), self._remote, keep=True)

    def fill(self, sources: tuple[CacheSource, ...]) -> None:
        """Fill an empty cache from the first of these that is there and can be used."""
        for source in sources:
            if not self.cache.empty:
                return
            if isinstance(source, ImageLocation):
                place = self._at(source)
                found = self._try(f"the cache {source}", partial(self._find, place))
                if found is not None:
                    self._take(place, found, keep=False)
            else:
                self._try(f"the cache {source}", partial(self._copy, source))

    def push(self) -> None:
        """Make the cache image the same as the cache. A push that fails is no failed build: the
        image is good, and the next push brings what this one did not."""
        if self.image is None or self._unknown or self.cache.empty:
            return
        remote = None if self._remote is None else self._remote.digest
        begin = f"Pushing the cache to {self.image}"
        try:
            moved = self._at(self.image).push(
                self.cache, remote, on_start=lambda: self.observer.step(begin)
            )
        except (ImageError, StorageError) as error:
            self.observer.note(f"the cache was not pushed to {self.image}: {_told(error)}")
            return
        if moved is None:
            self.observer.detail(f"cache: {self.image} has all of it")
        else:
            self.observer.detail(f"cache: pushed {_amount(moved)} to {self.image}")

    def _find(self, place: CacheImage) -> RemoteImage | None:
        try:
            found = place.find()
        except WrongLoginError:
            raise
        except AccessRefusedError:
            # Some registries say this of a repository that the first push will make.
            self.observer.detail(f"cache: {place.location} may not be read, or is not there yet")
            return None
        if found is None:
            self.observer.detail(f"cache: there is none at {place.location} yet")
        return found

    def _take(self, place: CacheImage, found: RemoteImage, *, keep: bool) -> None:
        self.observer.step(f"Fetching the cache {place.location}")
        moved = self._try(
            f"the cache {place.location}", lambda: place.pull(self.cache, found, keep=keep)
        )
        if moved is not None:
            self.observer.detail(f"cache: fetched {_amount(moved)} from {place.location}")

    def _copy(self, source: Path) -> None:
        if source.is_file():
            self._read_archive(source)
            return
        found = matching_cache(source, self.cache.identity)
        if found is None:
            self.observer.detail(f"cache: {source} has none for this build")
            return
        if found.root == self.cache.root:
            return
        copy_cache(found, self.cache)
        self.observer.detail(f"cache: filled from {found.root}")

    def _read_archive(self, source: Path) -> None:
        def choose(identities: tuple[CacheIdentity, ...]) -> tuple[BuildCache | None, ...]:
            chosen = matching(identities, self.cache.identity)
            return tuple(self.cache if one == chosen else None for one in identities)

        with source.open("rb") as file:
            if read_archive(file, origin=str(source), choose=choose):
                self.observer.detail(f"cache: filled from {source}")
            else:
                self.observer.detail(f"cache: {source} has none for this build")

    def _try(self, what: str, work: Callable[[], _T]) -> _T | None:
        """A cache that cannot be used is worth a note, and nothing more."""
        try:
            return work()
        except (ImageError, StorageError) as error:
            self.observer.note(f"{what} is not used: {_told(error)}")
            return None
        except OSError as error:
            self.observer.note(f"{what} is not used: {error.strerror}")
            return None

    def _at(self, location: ImageLocation) -> CacheImage:
        return CacheImage(location=location, platform=self.platform, skopeo=self.skopeo)


def _told(error: ImageError | StorageError) -> str:
    return "; ".join((error.message, *error.details[-1:]))


def _amount(moved: Moved) -> str:
    return (
        f"{moved.moved_parts} of {moved.parts} parts, "
        f"{moved.moved_bytes} of {moved.size_bytes} bytes,"
    )
