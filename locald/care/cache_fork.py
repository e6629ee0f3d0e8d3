"""Starts another checkout warm: its caches begin as copies of this one's."""

from collections.abc import Callable
from pathlib import Path

from lifecycle.cache_copy import copy_cache
from lifecycle.caches import BuildCache
from locald.build.git_branch import worktree_of
from locald.build.project_caches import CacheChooser, locked, project_caches
from locald.config.build_flags import BuildFlags
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError


def fork_target(source: Path, text: str) -> Path:
    """The folder that is meant: one that is there, or the checkout of a branch."""
    folder = Path(text)
    if folder.is_dir():
        return folder
    found = worktree_of(source, text)
    if found is None or not found.is_dir():
        raise UsageError(
            f"{text[:200]}: neither a folder nor a branch that is checked out in a worktree",
            hint=f"make one first: git worktree add ../{text.rpartition('/')[2][:60]} {text[:60]}",
        )
    return found


def fork_caches(
    source: Path, target: Path, paths: Paths, *, on_wait: Callable[[str], None], force: bool
) -> tuple[BuildCache, ...]:
    """Give a project the caches of another folder's; returns its own, filled.

    force: also replace caches that have something in them.
    """
    if target.resolve() == source.resolve():
        raise UsageError(f"{target}: is the folder whose caches are to be copied")
    caches = tuple(cache for cache in project_caches(source, paths) if not cache.empty)
    if not caches:
        raise UsageError(f"there is no cache of {source} to copy", hint="run: locald build")
    requests = read_requests(BuildFlags(path=target), paths)
    chooser = CacheChooser(requests, paths, folder=None, force=True)
    targets = chooser.targets((cache.identity for cache in caches), str(source))
    with locked(targets, on_wait):
        for cache in targets:
            if not cache.empty and not force:
                raise UsageError(
                    f"{target} has a cache already: {cache.root.name}",
                    hint="add --force to replace it",
                )
        for cache, copy in zip(caches, targets, strict=True):
            if cache.root != copy.root:
                copy_cache(cache, copy)
    return targets
