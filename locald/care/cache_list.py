"""The caches of this user: whose they are, how big, when last used."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from lifecycle.caches import BuildCache, build_caches, unknown_folders
from locald.paths import Paths
from oci.allocation import allocated_bytes, file_bytes
from oci.store_contents import read_contents


class ListedCache(msgspec.Struct, frozen=True, kw_only=True):
    """One project's cache. used: seconds since the epoch. gone: its project's folder is not there.

    size_bytes: on the disk, of what this user can see.
    """

    project: str
    service: str
    branch: str
    app_dir: str
    platform: str
    distro: str
    exec_env: str
    folder: str
    size_bytes: int
    used: float
    gone: bool


class UsedSpace(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of thing that locald keeps."""

    what: str
    folder: str
    count: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A download, or something unpacked from one. used: seconds since the epoch."""

    path: Path
    size_bytes: int
    used: float


def listed_cache(cache: BuildCache) -> ListedCache:
    """What can be told of a cache."""
    identity = cache.identity
    return ListedCache(
        project=identity.project,
        service=identity.service,
        branch=cache.branch,
        app_dir=identity.app_dir,
        platform=identity.platform,
        distro=identity.distro,
        exec_env=identity.exec_env,
        folder=str(cache.root),
        size_bytes=allocated_bytes(cache.root),
        used=cache.used,
        gone=project_is_gone(cache),
    )


def project_is_gone(cache: BuildCache) -> bool:
    """Is the folder that it was made for no longer there?"""
    folder = cache.identity.app_dir
    return bool(folder) and "\\x" not in folder and not Path(folder).is_dir()


def all_caches(paths: Paths) -> tuple[BuildCache, ...]:
    """Those in the usual place, with what lies there and says nothing of itself."""
    return (*build_caches(paths.build_caches), *unknown_folders(paths.build_caches))


def kept_files(paths: Paths) -> tuple[KeptFile, ...]:
    """Downloads and unpacked modules."""
    found = []
    for folder in (paths.cache_dir / "downloads/files", paths.cache_dir / "modules/tree"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            size = allocated_bytes(path) if path.is_dir() else file_bytes(status)
            found.append(KeptFile(path=path, size_bytes=size, used=status.st_mtime))
    return tuple(found)


def used_space(paths: Paths) -> tuple[UsedSpace, ...]:
    """Everything that locald keeps on this host, each byte counted once."""
    contents = read_contents(paths.store)
    caches = all_caches(paths)
    downloads, modules = paths.cache_dir / "downloads", paths.cache_dir / "modules"
    rows = (
        ("build caches", paths.build_caches, len(caches), allocated_bytes(paths.build_caches)),
        ("downloads", downloads, _count(downloads / "files"), allocated_bytes(downloads)),
        ("buildpacks and lifecycles", modules, _count(modules / "tree"), allocated_bytes(modules)),
        (
            "images",
            paths.store / "blobs",
            len(contents.images),
            sum(contents.blobs.values()) + sum(image.own_bytes for image in contents.images),
        ),
        (
            "unpacked builders",
            paths.store / "rootfs",
            len(contents.roots),
            sum(root.size_bytes for root in contents.roots),
        ),
        (
            "builds that run, or were killed",
            paths.work,
            _count(paths.work) + _count(paths.store / "tmp"),
            allocated_bytes(paths.work, paths.store / "tmp"),
        ),
    )
    return tuple(
        UsedSpace(what=what, folder=str(folder), count=count, size_bytes=size)
        for what, folder, count, size in rows
    )


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
