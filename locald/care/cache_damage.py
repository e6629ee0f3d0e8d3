"""Finds what is damaged in caches, by the digests in them: layers that the lifecycle keeps, packed
parts of cache images, downloads. Repair is removal: the next build makes or fetches it again.

Nothing tells what `build/` of a cache, a plain folder of buildpacks, should hold, nor what was
unpacked of an archive.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.cache_content import check_committed, missing_layers
from lifecycle.cache_metadata import COMMITTED
from lifecycle.cache_packing import layout_folder
from lifecycle.caches import BuildCache, build_caches
from locald.build.project_caches import cache_name
from locald.care.cache_lock import alone_with
from locald.care.damage import content_problem
from locald.care.repair import Outcome, Verified
from locald.paths import Paths
from oci.errors import ImageError, StorageError
from oci.leases import alone

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class CacheVerification:
    """What was looked at, and what was wrong. in_use: names of what a build uses now."""

    caches: int
    downloads: int
    in_use: tuple[str, ...]
    found: tuple[Verified, ...]


class CacheVerifier:
    """remove: deletes a folder, whoever owns what is in it. tell: what takes a while."""

    def __init__(
        self, paths: Paths, remove: Callable[[Path], object], *, tell: Callable[[str], None]
    ) -> None:
        self._paths = paths
        self._remove = remove
        self._tell = tell

    def verify(self, *, repair: bool) -> CacheVerification:
        """Look at everything that no build uses, and remove what is damaged if asked for."""
        caches = build_caches(self._paths.build_caches)
        files = self._paths.cache_dir / "downloads/files"
        downloads = tuple(sorted(files.iterdir())) if files.is_dir() else ()
        if caches or downloads:
            self._tell(f"Reading {len(caches)} build caches and {len(downloads)} downloads")
        in_use: list[str] = []
        found: list[Verified] = []
        for cache in caches:
            name = cache_name(cache.identity)
            with alone_with(cache) as free:
                problem = _problem(cache) if free else ""
                if not free:
                    in_use.append(f"the cache of {name}")
                elif problem:
                    found.append(self._mended(cache, name, problem, repair=repair))
        for path in downloads:
            with alone(path) as free:
                problem = content_problem(path)
                if problem and free and repair:
                    path.unlink(missing_ok=True)
                if problem:
                    outcome = Outcome.REPAIRED if free and repair else Outcome.FOUND
                    note = "the next build fetches it again" if free and repair else ""
                    found.append(_verified("download", path.name[:12], problem, outcome, note))
        return CacheVerification(
            caches=len(caches),
            downloads=len(downloads),
            in_use=tuple(in_use),
            found=tuple(found),
        )

    def _mended(self, cache: BuildCache, name: str, problem: str, *, repair: bool) -> Verified:
        outcome, note = Outcome.FOUND, ""
        if repair:
            try:
                cache.delete(remove=self._remove)
                outcome, note = Outcome.REPAIRED, "removed; the next build fills it again"
            except StorageError as error:
                outcome, note = Outcome.LOST, error.message
        return _verified("build cache", name, problem, outcome, note)


def _problem(cache: BuildCache) -> str:
    committed = cache.lifecycle / COMMITTED
    try:
        cache.check()
        check_committed(committed, in_place=True)
        lost = missing_layers(committed)
    except (ImageError, StorageError) as error:
        return error.message
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if lost:
        return f"{len(lost)} of its layers are gone"
    blobs = layout_folder(cache.image) / "blobs/sha256"
    named = [path for path in blobs.glob("*") if _HEX.fullmatch(path.name)]
    bad = sum(1 for path in named if content_problem(path))
    return f"{bad} packed parts are damaged" if bad else ""


def _verified(part: str, what: str, problem: str, outcome: Outcome, note: str) -> Verified:
    return Verified(part=part, what=what, problem=problem, outcome=outcome, note=note)
