"""The caches of this user: whose they are, how big, when last used."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from lifecycle.caches import BuildCache, build_caches, unknown_folders
from locald.paths import Paths
from oci.allocation import allocated_bytes, file_bytes


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


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A download, or something unpacked from one. used: seconds since the epoch."""

    path: Path
    size_bytes: int
    used: float

    @property
    def name(self) -> str:
        """For people; the whole one is a digest."""
        return f"{self.path.parent.parent.name}/{self.path.name[:24]}"


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
