"""What locald keeps on this host, by kind: how many, how big, what pruning would free."""

from pathlib import Path

import msgspec

from locald.care.cache_list import all_caches
from locald.care.cache_prune import CachePruner, CacheRules
from locald.care.remakeable import remakeable
from locald.paths import Paths
from oci.allocation import allocated_bytes
from oci.removal import remove_tree
from oci.scratch import abandoned_folders
from oci.store_contents import StoreContents, read_contents
from oci.store_prune_plan import PrunePlan, PruneRules, plan_prune


class UsedSpace(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of thing that locald keeps. freeable_bytes: what `cache prune` and `images prune`
    without flags would free now, if no build uses it."""

    what: str
    folder: str
    count: int
    size_bytes: int
    freeable_bytes: int


def used_space(paths: Paths, *, now: float) -> tuple[UsedSpace, ...]:
    """Everything, each byte counted once. now: seconds since the epoch."""
    contents = read_contents(paths.store)
    plan = plan_prune(contents, PruneRules(now=now, remakeable=remakeable))
    going = {
        one.path: one.size_bytes
        for one in CachePruner(paths, remove_tree).candidates(CacheRules(now=now))
        if one.why
    }
    downloads, modules = paths.cache_dir / "downloads", paths.cache_dir / "modules"
    scratch = (paths.work, paths.store / "tmp")
    left = [folder for parent in scratch for folder in abandoned_folders(parent)]
    roots = sum(root.size_bytes for root in plan.roots)
    rows = (
        (
            "build caches",
            paths.build_caches,
            len(all_caches(paths)),
            allocated_bytes(paths.build_caches),
            _below(paths.build_caches, going),
        ),
        (
            "downloads",
            downloads,
            _count(downloads / "files"),
            allocated_bytes(downloads),
            _below(downloads, going),
        ),
        (
            "buildpacks and lifecycles",
            modules,
            _count(modules / "tree"),
            allocated_bytes(modules),
            _below(modules, going),
        ),
        ("images", paths.store, len(contents.images), *_images(paths.store, contents, plan)),
        (
            "unpacked builders",
            paths.store / "rootfs",
            len(contents.roots),
            sum(root.size_bytes for root in contents.roots),
            roots,
        ),
        (
            "builds that run, or were killed",
            paths.work,
            sum(map(_count, scratch)),
            allocated_bytes(*scratch),
            allocated_bytes(*left),
        ),
        ("logs", paths.logs, _count(paths.logs), allocated_bytes(paths.logs), 0),
    )
    return tuple(
        UsedSpace(
            what=what,
            folder=str(folder),
            count=count,
            size_bytes=size,
            freeable_bytes=freeable,
        )
        for what, folder, count, size, freeable in rows
    )


def _images(store: Path, contents: StoreContents, plan: PrunePlan) -> tuple[int, int]:
    """Size, and how much of it would go: blobs, layouts, names and locks."""
    size = sum(contents.blobs.values()) + sum(image.own_bytes for image in contents.images)
    kept = plan.kept_images(contents)
    stays = contents.blob_bytes(kept) + sum(image.own_bytes for image in kept)
    strays = allocated_bytes(*plan.strays)
    return size + strays + allocated_bytes(store / "refs", store / "locks"), size + strays - stays


def _below(folder: Path, sizes: dict[Path, int]) -> int:
    return sum(size for path, size in sizes.items() if path.is_relative_to(folder))


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
