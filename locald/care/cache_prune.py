"""Deletes caches that nobody needs: of projects that are gone, of long ago, beyond a budget."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.caches import BuildCache, build_caches
from locald.build.project_caches import cache_name
from locald.care.cache_clear import delete_kept, delete_unknown
from locald.care.cache_list import KeptFile, all_caches, kept_files, project_is_gone
from locald.care.cache_lock import alone_with
from locald.paths import Paths
from oci.allocation import allocated_bytes
from oci.stale_files import KEPT_DAYS

_DAY_SECONDS = 86400.0


@dataclass(frozen=True, kw_only=True)
class CacheRules:
    """now: seconds since the epoch. unused_seconds: goes when not used for so long; None: build
    caches stay, what can be downloaded goes after 30 days, as builds do it themselves.
    max_bytes: of all of it together."""

    now: float
    unused_seconds: float | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that may go. why: it goes whatever the budget; "" when only the budget decides."""

    path: Path
    name: str
    size_bytes: int
    used: float
    why: str
    delete: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class PrunedCache:
    """What went, or would go."""

    name: str
    why: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class CachePruneReport:
    """in_use: names of what stays because a build uses it."""

    pruned: tuple[PrunedCache, ...]
    in_use: tuple[str, ...]
    left_bytes: int

    @property
    def freed_bytes(self) -> int:
        """All of what went."""
        return sum(one.size_bytes for one in self.pruned)


class CachePruner:
    """remove: deletes a folder, whoever owns what is in it. folder: of caches, which a user chose;
    nothing else is looked at then, nor what in it is no cache."""

    def __init__(
        self, paths: Paths, remove: Callable[[Path], object], *, folder: Path | None = None
    ) -> None:
        self._paths = paths
        self._remove = remove
        self._folder = folder

    def candidates(self, rules: CacheRules) -> tuple[Candidate, ...]:
        """All that there is, with why it would go."""
        if self._folder is not None:
            return tuple(self._cache(cache, rules) for cache in build_caches(self._folder))
        return (
            *(self._cache(cache, rules) for cache in all_caches(self._paths)),
            *(self._file(file, rules) for file in kept_files(self._paths)),
        )

    def prune(self, rules: CacheRules, *, dry_run: bool) -> CachePruneReport:
        """Never what a build uses now."""
        candidates = self.candidates(rules)
        chosen = choose(candidates, rules.max_bytes)
        pruned, in_use = [], []
        for one, why in chosen:
            if dry_run or one.delete():
                pruned.append(PrunedCache(name=one.name, why=why, size_bytes=one.size_bytes))
            else:
                in_use.append(one.name)
        left = sum(one.size_bytes for one in candidates) - sum(one.size_bytes for one in pruned)
        return CachePruneReport(pruned=tuple(pruned), in_use=tuple(in_use), left_bytes=left)

    def _cache(self, cache: BuildCache, rules: CacheRules) -> Candidate:
        known = bool(cache.identity.platform)
        name = f"the cache of {cache_name(cache.identity)}" if known else f"{cache.root.name}"
        why = ""
        if not known:
            why = "it does not say whose it is"
        elif project_is_gone(cache):
            why = f"its project is gone: {cache.identity.app_dir}"
        elif rules.unused_seconds is not None:
            why = _age_reason(cache.used, rules, rules.unused_seconds)
        return Candidate(
            path=cache.root,
            name=name,
            size_bytes=allocated_bytes(cache.root),
            used=cache.used,
            why=why,
            delete=lambda: self._delete_cache(cache, known=known),
        )

    def _file(self, file: KeptFile, rules: CacheRules) -> Candidate:
        limit = KEPT_DAYS * _DAY_SECONDS if rules.unused_seconds is None else rules.unused_seconds
        return Candidate(
            path=file.path,
            name=file.name,
            size_bytes=file.size_bytes,
            used=file.used,
            why=_age_reason(file.used, rules, limit),
            delete=lambda: delete_kept(file.path, self._remove),
        )

    def _delete_cache(self, cache: BuildCache, *, known: bool) -> bool:
        if not known and (cache.root.is_symlink() or not cache.root.is_dir()):
            delete_unknown(cache, self._remove)
            return True
        with alone_with(cache) as free:
            if free:
                cache.delete(remove=self._remove)
            return free


def choose(
    candidates: Iterable[Candidate], max_bytes: int | None
) -> tuple[tuple[Candidate, str], ...]:
    """What goes and why: all that has a reason, then what was not used for longest, until the
    rest fits the budget."""
    ordered = sorted(candidates, key=lambda one: one.used)
    chosen = [(one, one.why) for one in ordered if one.why]
    if max_bytes is None:
        return tuple(chosen)
    rest = [one for one in ordered if not one.why]
    total = sum(one.size_bytes for one in rest)
    for one in rest:
        if total <= max_bytes:
            break
        chosen.append((one, "more than --keep allows"))
        total -= one.size_bytes
    return tuple(chosen)


def _age_reason(used: float, rules: CacheRules, limit: float) -> str:
    if rules.now - used <= limit:
        return ""
    return f"not used for {(rules.now - used) / _DAY_SECONDS:.0f} days"
