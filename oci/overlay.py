"""Overlays in our user namespace: a lower folder that is never written, changes kept beside it.

No path ever becomes part of a mount option. The kernel splits `lowerdir=…` at commas and colons
and its escapes differ between versions, so the mount runs inside a folder that holds links of
fixed names (`lower`, `upper`, `work`), and every byte a file name can have is allowed.
"""

import errno
import logging
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path, PurePosixPath

from oci.errors import CommandError, HostError, StorageError
from oci.process import CommandResult
from oci.userns import UserNamespace

log = logging.getLogger(__name__)

WHITEOUT_DEVICE = 0

# `userxattr` because trusted.* attributes need real root. `volatile` because nothing here
# outlives the build: without it an unmount syncs the whole file system below.
_OPTIONS = "userxattr,volatile,lowerdir=lower,upperdir=upper,workdir=work"
_FUSE_OPTIONS = "lowerdir=lower,upperdir=upper,workdir=work"

# $1 is the folder with the links. The upper folder is ours, but its owner and mode are what the
# container sees as those of the overlay's root, so it takes over the lower's.
# Where the lower's owner does not exist in our namespace, it stays ours.
_TAKE_OWNER = (
    "{ chown --reference=lower/ -- upper/ 2>/dev/null || :; } && chmod --reference=lower/ -- upper/"
)
_OVERLAY = f"mount -i -t overlay -o {_OPTIONS} overlay merged"
_MOUNT = f'cd -- "$1" && {_OVERLAY}'
_MOUNT_AND_TAKE_OWNER = f'cd -- "$1" && {_TAKE_OWNER} && {_OVERLAY}'
_MOUNT_FUSE = f'cd -- "$1" && {_TAKE_OWNER} && fuse-overlayfs -o {_FUSE_OPTIONS} merged'
_COPY = 'cd -- "$1" && cp -a --reflink=auto -- lower/. merged/'


class Rung(Enum):
    """The ways to get an overlay, best first."""

    DISK = auto()
    MEMORY = auto()
    FUSE = auto()
    COPY = auto()


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """lower: what is seen and never written.
    changes: an existing folder of ours where upper and work directory are made or found.
    hidden: paths relative to `lower` that must not be seen.
    adopted: files and folders of `lower`, outer ones first, that are to be ours: copies of them
        are put into the upper directory.
    """

    lower: Path
    changes: Path
    hidden: tuple[PurePosixPath, ...] = ()
    adopted: tuple[PurePosixPath, ...] = ()


class OverlayMounter:
    """Mounts overlays in one namespace, each in the best way that this host allows.

    folder: an existing empty folder for mount points and links.
    """

    def __init__(self, namespace: UserNamespace, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self._count = 0
        self._rung = Rung.DISK
        self._memory: Path | None = None

    @property
    def rung(self) -> Rung:
        """The way the last overlay was mounted, and the first that the next one tries."""
        return self._rung

    def mount(self, overlay: Overlay) -> Path:
        """Mount it; the result is where it is seen, inside the namespace only."""
        failures: list[str] = []
        for rung in tuple(Rung)[tuple(Rung).index(self._rung) :]:
            try:
                merged = self._mount_on(rung, overlay)
            except (CommandError, HostError, OSError) as error:
                words = getattr(error, "details", ()) or (str(error),)
                failures.append(f"{rung.name.lower()}: {' '.join(words)}")
                continue
            if rung is not self._rung:
                log.info("overlays by way of %s, because %s", rung.name.lower(), failures)
                self._rung = rung
            return merged
        raise HostError(
            f"no overlay of {overlay.lower} could be mounted",
            details=failures,
            hint="Linux 5.13 or newer can, as fuse-overlayfs can on older kernels",
        )

    def _mount_on(self, rung: Rung, overlay: Overlay) -> Path:
        self._count += 1
        links = self._folder / str(self._count)
        merged = links / "merged"
        merged.mkdir(parents=True)
        (links / "lower").symlink_to(overlay.lower)
        match rung:
            case Rung.DISK:
                self._prepare(links, overlay, overlay.changes)
                same_owner = overlay.lower.stat().st_uid == os.getuid()
                self._script(_MOUNT if same_owner else _MOUNT_AND_TAKE_OWNER, links)
            case Rung.MEMORY:
                self._prepare(links, overlay, self._memory_changes())
                self._script(_MOUNT_AND_TAKE_OWNER, links)
            case Rung.FUSE:
                self._prepare(links, overlay, overlay.changes)
                self._script(_MOUNT_FUSE, links)
            case Rung.COPY:
                self._script(_COPY, links)
                self._remove(merged, overlay.hidden)
        return merged

    def _prepare(self, links: Path, overlay: Overlay, changes: Path) -> None:
        seen = self._seen_from_here(changes)
        first_time = not (seen / "upper").exists()
        prepare_upper(
            overlay.lower,
            seen,
            overlay.hidden if first_time else (),
            overlay.adopted if first_time else (),
        )
        for name in ("upper", "work"):
            (links / name).symlink_to(changes / name)

    def _memory_changes(self) -> Path:
        """A fresh folder on a tmpfs that only the namespace has."""
        if self._memory is None:
            memory = self._folder / "memory"
            memory.mkdir()
            self._namespace.run(
                "mount", "-i", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(memory)
            )
            self._memory = memory
        changes = self._memory / str(self._count)
        self._seen_from_here(changes).mkdir()
        return changes

    def _seen_from_here(self, path: Path) -> Path:
        """The namespace's view of a path; what it mounted is not in ours."""
        if self._memory is None or not path.is_relative_to(self._memory):
            return path
        return Path(f"/proc/{self._namespace.pid}/root{path}")

    def _remove(self, merged: Path, hidden: tuple[PurePosixPath, ...]) -> None:
        found = _topmost(hidden).items()
        names = [str(merged / folder / name) for folder, inside in found for name in inside]
        while names:
            self._namespace.run("rm", "-rf", "--", *names[:500])
            names = names[500:]

    def _script(self, script: str, links: Path) -> CommandResult:
        return self._namespace.run("sh", "-c", script, "sh", str(links))


def prepare_upper(
    lower: Path,
    changes: Path,
    hidden: Iterable[PurePosixPath],
    adopted: Iterable[PurePosixPath] = (),
) -> None:
    """Make `upper` and `work` in `changes`, with a whiteout for each hidden path and a copy of
    each adopted one.

    A whiteout is a character device 0:0, which every user may make on Linux 5.8 and later.
    """
    upper = changes / "upper"
    upper.mkdir(exist_ok=True)
    (changes / "work").mkdir(exist_ok=True)
    made: dict[PurePosixPath, os.stat_result] = {PurePosixPath(): lower.stat()}
    whiteouts = _Whiteouts()
    # A folder at a time: there may be thousands of hidden files, in few folders.
    for text, hidden_names in _topmost(hidden).items():
        inside = f"{lower}/{text}/" if text else f"{lower}/"
        names = [name for name in hidden_names if os.path.lexists(inside + name)]
        folder = PurePosixPath(text)
        if names and _is_folder_of(lower, folder):
            _make_folders(lower, upper, (*reversed(folder.parents), folder), made)
            for name in names:
                whiteouts.make(f"{upper}/{text}/{name}")
    for path in adopted:
        if not _parents_are_folders(lower, path):
            continue
        _make_folders(lower, upper, reversed(path.parents), made)
        if stat.S_ISDIR((lower / path).lstat().st_mode):
            _make_folders(lower, upper, (path,), made)
        else:
            shutil.copy2(lower / path, upper / path, follow_symlinks=False)
    # Deepest first: making an entry changes the time of the folder above it.
    for parent in sorted(made, key=lambda p: len(p.parts), reverse=True):
        status = made[parent]
        (upper / parent).chmod(stat.S_IMODE(status.st_mode))
        os.utime(upper / parent, ns=(status.st_atime_ns, status.st_mtime_ns))


def _make_folders(
    lower: Path,
    upper: Path,
    folders: Iterable[PurePosixPath],
    made: dict[PurePosixPath, os.stat_result],
) -> None:
    for folder in folders:
        if folder not in made:
            (upper / folder).mkdir(mode=0o700, exist_ok=True)
            made[folder] = (lower / folder).lstat()


class _Whiteouts:
    """Makes the first whiteout, and the others as links to it, as overlayfs itself does: on ext4
    a new inode takes 0.3 ms and more, a link 0.01 ms."""

    def __init__(self) -> None:
        self._inode: str | None = None

    def make(self, path: str) -> None:
        """Hide what is at `path`, if nothing is there yet."""
        if not (self._link(path) or _make_device(path)):
            return
        self._inode = self._inode or path

    def _link(self, path: str) -> bool:
        if self._inode is None:
            return False
        try:
            os.link(self._inode, path)
        except OSError:
            # Links are used up (65,000 on ext4), or not to be had: another inode will do.
            self._inode = None
            return False
        return True


def _make_device(path: str) -> bool:
    try:
        os.mknod(path, stat.S_IFCHR, WHITEOUT_DEVICE)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            raise StorageError(f"cannot write {path}: {error.strerror}") from error
        raise HostError(
            f"the file system of {Path(path).parent} takes no whiteouts: {error.strerror}"
        ) from error
    return True


def _topmost(paths: Iterable[PurePosixPath]) -> dict[str, list[str]]:
    """The paths without those below another one: folder (`""` is the root) → names in it. Refuses
    what leads out of the tree."""
    wanted = {str(path) for path in paths}  # texts: with thousands, paths take longer than links
    folders: dict[str, list[str]] = {}
    for path in wanted:
        folder, _, name = path.rpartition("/")
        if path.startswith("/") or name in ("", ".", ".."):
            raise ValueError(f"not a path inside the overlay: {path}")
        folders.setdefault(folder, []).append(name)
    for folder in folders:
        if ".." in folder.split("/"):
            raise ValueError(f"not a path inside the overlay: {folder}")
    return {
        folder: sorted(names)
        for folder, names in sorted(folders.items())
        if not folder
        or (folder not in wanted and wanted.isdisjoint(map(str, PurePosixPath(folder).parents)))
    }


def _parents_are_folders(lower: Path, path: PurePosixPath) -> bool:
    """Is there such an entry, reached through folders only? A link leads out of this tree."""
    return os.path.lexists(lower / path) and _is_folder_of(lower, path.parent)


def _is_folder_of(lower: Path, folder: PurePosixPath) -> bool:
    try:
        return all(stat.S_ISDIR((lower / p).lstat().st_mode) for p in (folder, *folder.parents))
    except (FileNotFoundError, NotADirectoryError):
        return False
