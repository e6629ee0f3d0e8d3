"""The caches of a project: plain folders that the user owns and may delete.

KEY/lifecycle/     what the lifecycle restores and keeps (its own form)
KEY/build/         free for buildpacks, mounted in the build phase
KEY/image/         what goes to and comes from a cache image, packed (`lifecycle.cache_image`)
KEY/project.json   for whom, so that people and `locald cache` can tell
KEY/branch         of git, at the last build; written or touched by every build
KEY/lock
KEY/incoming/      another cache's content, whole, that takes the place of the first three
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from oci.allocation import allocated_bytes
from oci.errors import ImageError, StorageError
from oci.plain_file import read_plain_file
from oci.platform import Platform
from oci.removal import delete, make_way, remove_tree
from oci.stale_files import mark_used
from oci.whole_file import write_whole

_IDENTITY_FILE, _BRANCH_FILE = "project.json", "branch"
_MAX_BRANCH_BYTES, _MAX_IDENTITY_BYTES = 4096, 1 << 16
_CONTENT = ("lifecycle", "build", "image")
_INCOMING, _PARTIAL, _OUTGOING = "incoming", "incoming.partial", "outgoing"


class CacheIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache belongs to. Two builds share one only when all of this is the same.

    app_dir: the project's folder; empty in a folder of caches that the user chose, and in what
        travels from machine to machine.
    """

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
        app_dir: Path | None,
        service: str | None,
        platform: Platform,
        distro: str,
        exec_env: str,
    ) -> Self:
        """Where the cache is in a folder of caches."""
        return cls.of(
            caches,
            CacheIdentity(
                project=_text(project),
                app_dir="" if app_dir is None else folder_text(app_dir),
                service=service or "",
                platform=str(platform),
                distro=distro,
                exec_env=exec_env,
            ),
        )

    @classmethod
    def of(cls, caches: Path, identity: CacheIdentity) -> Self:
        """Where the cache is; the folder's name starts with the project's, for people."""
        project = identity.project
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
    def image(self) -> Path:
        """The folder with what was last pulled or pushed; need not be there."""
        return self.root / "image"

    @property
    def lock(self) -> Path:
        """Held for the whole of a build."""
        return self.root / "lock"

    @property
    def unsearched(self) -> Path:
        """The file that is there while a build with secrets has not been searched for them."""
        return self.root / "unsearched"

    def check_searched(self) -> None:
        """Raises StorageError when there may be a secret in it: then nothing leaves it."""
        if os.path.lexists(self.unsearched):
            raise StorageError(
                f"the cache {self.root.name} may hold a secret: a build with secrets did not come "
                "to its end",
                hint="build once more, or delete the cache: locald cache clear",
            )

    @property
    def empty(self) -> bool:
        """Is there nothing in it that a build could use?"""
        if any(_names_matching(self.lifecycle / "committed", ".tar")):
            return False
        return not any(files for _, _, files in os.walk(self.build))

    def check(self) -> None:
        """Raises StorageError where a link or file stands in a folder's place: a project may bring
        its cache along, and must not have its maker's choice of folders written to."""
        for path in (self.root, *(self.root / name for name in (*_CONTENT, _INCOMING))):
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise StorageError(f"the cache {path} is no folder", hint=f"delete it: rm {path}")
        for path in (self.lock, self.root / _IDENTITY_FILE):
            if path.is_symlink():
                raise StorageError(f"the cache has a link: {path}", hint=f"delete it: rm {path}")

    def prepare(self) -> None:
        """Make the folders, and put right what killed processes leave.

        The lifecycle commits by two renames: committed → committed-backup, then
        staging → committed. Killed between them, only the backup is whole.
        Source: lifecycle 0.21, cache/volume_cache.go.
        """
        self.check()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_in()
        for name in (_PARTIAL, _OUTGOING):
            if os.path.lexists(self.root / name):
                remove_tree(self.root / name)
        for left in self.root.glob(".*"):  # files that were not renamed into their place
            if left.is_symlink() or not left.is_dir():
                left.unlink(missing_ok=True)
        for folder in (self.lifecycle, self.build):
            folder.mkdir(exist_ok=True, mode=0o700)
        self._write_identity()
        committed = self.lifecycle / "committed"
        backup = self.lifecycle / "committed-backup"
        if backup.is_dir() and not committed.is_dir():
            backup.rename(committed)

    @contextmanager
    def replacement(self) -> Iterator[Path]:
        """An empty folder like this one; what is in its `lifecycle`, `build` and `image` after the
        block is the cache's content, by one rename. When the block raises, nothing has changed."""
        partial = self.root / _PARTIAL
        remove_tree(partial)
        for name in _CONTENT:
            (partial / name).mkdir(parents=True, mode=0o700)
        try:
            yield partial
            partial.rename(self.root / _INCOMING)
        except BaseException:
            remove_tree(partial)
            raise
        self._take_in()
        remove_tree(self.root / _OUTGOING)

    def _take_in(self) -> None:
        """Move what is in `incoming` to its place; wherever this ends, it can go on from there."""
        incoming, outgoing = self.root / _INCOMING, self.root / _OUTGOING
        if not incoming.is_dir():
            return
        remove_tree(outgoing)
        outgoing.mkdir(exist_ok=True, mode=0o700)
        for name in _CONTENT:
            if not os.path.lexists(incoming / name):
                continue  # it is in its place already
            if os.path.lexists(self.root / name):
                old = tempfile.mkdtemp(prefix=name, dir=outgoing)
                (self.root / name).rename(Path(old, name))
            (incoming / name).rename(self.root / name)
        incoming.rmdir()

    def _write_identity(self) -> None:
        data = msgspec.json.encode(self.identity)
        path = self.root / _IDENTITY_FILE
        if path.is_file() and path.read_bytes() == data:
            return
        make_way(path)
        write_whole(path, data)

    def note_use(self, branch: str) -> None:
        """A build uses it now; of a checkout of that branch, if any."""
        path = self.root / _BRANCH_FILE
        with suppress(OSError):  # what is only told to people fails no build
            if self.branch == branch and path.is_file():
                mark_used(path)
            else:
                write_whole(path, branch.encode(errors="replace"))

    @property
    def branch(self) -> str:
        """Of git, at the last build; "" when there was none."""
        try:
            data = read_plain_file(self.root, _BRANCH_FILE, max_bytes=_MAX_BRANCH_BYTES)
        except (OSError, ImageError):
            return ""
        return data.decode(errors="replace")

    @property
    def used(self) -> float:
        """When a build used it last, in seconds since the epoch."""
        for name in (_BRANCH_FILE, "lifecycle", _IDENTITY_FILE, "."):
            with suppress(OSError):
                return (self.root / name).lstat().st_mtime
        return 0.0

    def delete(self, *, remove: Callable[[Path], object] = remove_tree) -> None:
        """Delete all of it; the lock, which must be held, goes last. Raises StorageError when
        something stays."""
        if self.root.is_symlink() or not self.root.is_dir():
            raise StorageError(f"the cache {self.root} is no folder", hint=f"rm {self.root}")
        last = (self.lock, self.root / _IDENTITY_FILE)
        for path in self.root.iterdir():
            if path in last:
                continue
            if path.is_dir() and not path.is_symlink():
                remove(path)
            else:
                path.unlink(missing_ok=True)
        for path in reversed(last):
            delete(path)
        try:
            self.root.rmdir()
        except OSError as error:
            raise StorageError(
                f"the cache {self.root} cannot be deleted: {error.strerror}",
                hint=f"delete it by hand: sudo rm -r {self.root}",
            ) from error

    def size_bytes(self) -> int:
        """What the cache takes on the disk; a file with several names counts once."""
        return allocated_bytes(self.lifecycle, self.build, self.image)

    def clear(self, *, remove: Callable[[Path], object] = remove_tree) -> None:
        """Forget everything; always safe while the lock is held.

        remove: deletes a folder, whoever owns what is in it. Raises StorageError when something
        stays.
        """
        self.check()
        for folder in (self.root / name for name in (*_CONTENT, _INCOMING)):
            if os.path.lexists(folder):
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
            data = read_plain_file(root, _IDENTITY_FILE, max_bytes=_MAX_IDENTITY_BYTES)
            identity = msgspec.json.decode(data, type=CacheIdentity)
        except (OSError, ImageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        found.append(BuildCache(root=root, identity=identity))
    return tuple(found)


def unknown_folders(folder: Path) -> tuple[BuildCache, ...]:
    """What lies in the folder of all caches and does not say whose it is."""
    known = {cache.root for cache in build_caches(folder)}
    nobody = CacheIdentity(project="", app_dir="", service="", platform="", distro="", exec_env="")
    roots = sorted(folder.iterdir()) if folder.is_dir() else ()
    return tuple(BuildCache(root=root, identity=nobody) for root in roots if root not in known)


def folder_text(folder: Path) -> str:
    """A folder as identities name it: names of folders need not be text, JSON is."""
    return _text(str(folder))


def _text(name: str) -> str:
    return os.fsencode(name).decode(errors="backslashreplace")


def _names_matching(folder: Path, suffix: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if entry.name.endswith(suffix))
    except OSError:
        return
