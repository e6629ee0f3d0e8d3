"""Caches of other builds, read only: the ones in a folder, and what they have for us."""

import os
from contextlib import ExitStack
from pathlib import Path

from lifecycle.cache_archive import committed_entries
from lifecycle.cache_content import check_committed
from lifecycle.cache_metadata import COMMITTED
from lifecycle.caches import BuildCache, CacheIdentity, build_caches
from oci.locks import exclusive
from oci.tree_copy import copy_tree
from oci.tree_tar import list_tree


def matching(identities: tuple[CacheIdentity, ...], wanted: CacheIdentity) -> CacheIdentity | None:
    """The one that is for the same kind of build; of several, that of the same project."""
    found = [one for one in identities if _kind(one) == _kind(wanted)]
    found.sort(key=lambda one: (one.project != wanted.project, one.app_dir != wanted.app_dir))
    return found[0] if found else None


def matching_cache(folder: Path, wanted: CacheIdentity) -> BuildCache | None:
    """The cache for the same kind of build in a folder of caches, or that the folder is."""
    caches = build_caches(folder) or tuple(
        cache for cache in build_caches(folder.parent) if cache.root.name == folder.name
    )
    chosen = matching(tuple(cache.identity for cache in caches), wanted)
    return next((cache for cache in caches if cache.identity == chosen), None)


def copy_cache(source: BuildCache, target: BuildCache) -> None:
    """Give a cache, its lock held, the content of another. Raises ImageError or StorageError;
    nothing has changed then.
    """
    with ExitStack() as stack:
        if os.access(source.root, os.W_OK):  # else nobody of this host writes to it
            stack.enter_context(exclusive(source.lock, what=f"the cache {source.root}"))
        source.check()
        source.check_searched()
        staged = stack.enter_context(target.replacement())
        committed = staged / "lifecycle" / COMMITTED
        committed.mkdir(mode=0o755)
        origin = source.lifecycle / COMMITTED
        copy_tree(origin, committed_entries(origin), committed)
        copy_tree(source.build, list_tree(source.build), staged / "build")
        check_committed(committed)


def _kind(identity: CacheIdentity) -> tuple[str, ...]:
    return (identity.service, identity.platform, identity.distro, identity.exec_env)
