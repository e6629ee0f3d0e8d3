"""The caches of a project: plain folders that the user owns and may delete.

KEY/lifecycle/     what the lifecycle restores and keeps (its own form)
KEY/build/         free for buildpacks, mounted in the build phase
KEY/project.json   for whom, so that people and `locald cache` can tell
KEY/lock
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from oci.platform import Platform


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
            app_dir=str(app_dir),
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
        (self.root / "project.json").write_bytes(msgspec.json.encode(self.identity))
        committed = self.lifecycle / "committed"
        backup = self.lifecycle / "committed-backup"
        if backup.is_dir() and not committed.is_dir():
            backup.rename(committed)

    def clear(self) -> None:
        """Forget everything; always safe while the lock is held."""
        shutil.rmtree(self.lifecycle, ignore_errors=True)
        _remove_whatever_the_modes(self.build)
        self.prepare()


def _remove_whatever_the_modes(folder: Path) -> None:
    # Go's module cache is read-only, folders included.
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
