"""The caches of a project: plain folders that the user owns and may delete.

KEY/lifecycle/     what the lifecycle restores and keeps (its own form)
KEY/build/         free for buildpacks, mounted in the build phase
KEY/project.json   for whom, so that people and `locald cache` can tell
KEY/lock
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from oci.errors import StorageError
from oci.platform import Platform
from oci.removal import remove_tree

_IDENTITY_FILE = "project.json"
_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own


class CacheIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache belongs to. Two builds share one only when all of this is the same."""

    project: str
    app_dir: str
    service: str
    platform: str
    distro: str
    exec_env: str


@dataclass(frozen=True, kw_only=True)
class BuildCache:
    """One project's cache folder."""

    root: Path
    identity: CacheIdentity

    @classmethod
    def locate(
        cls,
        caches: Path,
        *,
        project: str,
        app_dir: Path,
        service: str | None,
        platform: Platform,
        distro: str,
        exec_env: str,
    ) -> Self:
        """Where the cache is; the folder's name starts with the project's, for people."""
        identity = CacheIdentity(
            project=project,
            # Names of folders need not be text; JSON is.
            app_dir=os.fsencode(app_dir).decode(errors="backslashreplace"),
            service=service or "",
            platform=str(platform),
            distro=distro,
            exec_env=exec_env,
        )
        key = hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]
        readable = "".join(c if c.isalnum() or c in "-_" else "-" for c in project)[:40]
        return cls(root=caches / f"{readable}-{key}", identity=identity)

    @property
    def lifecycle(self) -> Path:
        """The folder that the restore and export phases see as /cache."""
        return self.root / "lifecycle"

    @property
    def build(self) -> Path:
        """The folder that buildpacks see in the build phase."""
        return self.root / "build"

    @property
    def lock(self) -> Path:
        """Held for the whole of a build."""
        return self.root / "lock"

    def prepare(self) -> None:
        """Make the folders, and put right what a killed export can leave.

        The lifecycle commits by two renames: committed → committed-backup, then
        staging → committed. Killed between them, only the backup is whole.
        Source: lifecycle 0.21, cache/volume_cache.go.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.lifecycle, self.build):
            folder.mkdir(exist_ok=True, mode=0o700)
        (self.root / _IDENTITY_FILE).write_bytes(msgspec.json.encode(self.identity))
        committed = self.lifecycle / "committed"
        backup = self.lifecycle / "committed-backup"
        if backup.is_dir() and not committed.is_dir():
            backup.rename(committed)

    def size_bytes(self) -> int:
        """What the cache takes on the disk; a file with several names counts once."""
        return _allocated_bytes(self.lifecycle, self.build)

    def clear(self, *, remove: Callable[[Path], object] = remove_tree) -> None:
        """Forget everything; always safe while the lock is held.

        remove: deletes a folder, whoever owns what is in it. Raises StorageError when something
        stays.
        """
        for folder in (self.lifecycle, self.build):
            remove(folder)
            if os.path.lexists(folder):
                raise StorageError(
                    f"the cache {folder} cannot be deleted: files in it belong to another user",
                    hint=f"delete it by hand: sudo rm -r {folder}",
                )
        self.prepare()


def build_caches(folder: Path) -> tuple[BuildCache, ...]:
    """Every cache below the folder of all caches. What is no cache is left out."""
    found = []
    for root in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            identity = msgspec.json.decode((root / _IDENTITY_FILE).read_bytes(), type=CacheIdentity)
        except (OSError, msgspec.DecodeError):
            continue
        found.append(BuildCache(root=root, identity=identity))
    return tuple(found)


def _allocated_bytes(*folders: Path) -> int:
    """Blocks of the folders and all below them that this user can see. Links are not followed."""
    counted: set[tuple[int, int]] = set()
    total = 0
    pending = list(folders)
    while pending:
        path = pending.pop()
        try:
            status = path.lstat()
            if (status.st_dev, status.st_ino) in counted:
                continue
            counted.add((status.st_dev, status.st_ino))
            total += status.st_blocks * _BLOCK_BYTES
            if stat.S_ISDIR(status.st_mode):
                pending += path.iterdir()
        except OSError:
            continue
    return total
