"""How much a build may keep on disk, counted as root of the build's own ids: a folder that nobody
may look into is counted too.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from lifecycle.runtime.limits import Limit, LimitExceeded
from oci.errors import CommandError, Error
from oci.process import Command, CommandRunner, StartedCommand
from oci.size_text import size_text

# A name costs room as well: an inode, an entry of a folder.
FILE_BYTES = 4096

# Prints what lies below the folders in argv[1:], in bytes, and how many files and folders. Paths
# longer than the kernel takes are gone through by descriptors. What is mounted below is not
# counted, a file with several names once. Files without a name count while a process has them open
# that sees one of the folders mounted; not those that only memory has.
COUNT_SCRIPT = f"""\
import os, stat, sys
held, names, seen = 0, 0, set()
flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
for top in sys.argv[1:]:
    try:
        device = os.lstat(top).st_dev
    except OSError:
        continue
    pending = [(None, top)]
    while pending:
        base, path = pending.pop()
        try:
            opened = os.open(path, flags, dir_fd=base)
            entries = list(os.scandir(opened))
        except OSError:
            continue
        if len(path) > 2000:
            base, prefix = os.dup(opened), ""
        else:
            prefix = path + "/"
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_dev != device:
                continue
            folder = entry.is_dir(follow_symlinks=False)
            if not folder and status.st_nlink > 1:
                if status.st_ino in seen:
                    continue
                seen.add(status.st_ino)
            names += 1
            held += max(status.st_blocks * 512, {FILE_BYTES})
            if folder:
                pending.append((base, prefix + entry.name))
        os.close(opened)
nameless = set()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open("/proc/" + pid + "/mountinfo", errors="replace") as file:
            mounts = file.read().replace("\\\\040", " ")
        if not any(top in mounts for top in sys.argv[1:]):
            continue
        descriptors = os.listdir("/proc/" + pid + "/fd")
    except OSError:
        continue
    for descriptor in descriptors:
        link = "/proc/" + pid + "/fd/" + descriptor
        try:
            status, name = os.stat(link), os.readlink(link)
        except OSError:
            continue
        if status.st_nlink or not stat.S_ISREG(status.st_mode):
            continue
        if name.startswith(("/memfd:", "/dev/", "/SYSV")):
            continue
        if (status.st_dev, status.st_ino) not in nameless:
            nameless.add((status.st_dev, status.st_ino))
            held += max(status.st_blocks * 512, {FILE_BYTES})
print(held, names + len(nameless))
"""
_PAUSE_SECONDS = 1.0


class DiskBudget:
    """Looks from time to time, beside the build; raises LimitExceeded when it is too much.

    folders: what the build fills. caches: folders of which only the growth counts.
    inside: makes of an argv a command that runs as root of the build's ids.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        folders: tuple[Path, ...],
        caches: tuple[Path, ...],
        runner: CommandRunner,
        inside: Callable[[tuple[str, ...]], Command],
    ) -> None:
        self._limit = limit
        self._runner = runner
        self._inside = inside
        self._folders = (*folders, *caches)
        self._before = _held(runner.run(self._command(caches)).text)[0]
        self._counting: StartedCommand | None = None
        self._began = 0.0
        self._next = 0.0

    def look(self) -> None:
        """Start counting, or see what it came to; never waits."""
        now = time.monotonic()
        if self._counting is None:
            if now >= self._next:
                self._counting = self._runner.begin(self._command(self._folders))
                self._began = now
            return
        if self._counting.running():
            return
        # A long count takes as much of the disk's time as the build does: not all the time.
        self._next = now + max(_PAUSE_SECONDS, 3 * (now - self._began))
        counting, self._counting = self._counting, None
        try:
            held, names = _held(counting.finish().text)
        except CommandError:  # the namespace is ending
            return
        if held - self._before > self._limit.amount:
            origin = f" ({self._limit.origin})" if self._limit.origin else ""
            raise LimitExceeded(
                f"more of the disk than {size_text(self._limit.amount)}{origin}; there were "
                f"{size_text(held - self._before)} in {names} files and folders",
                hint="allow it more with --max-disk; the last image is as it was",
            )

    def close(self) -> None:
        """Nobody asks any more."""
        if self._counting is not None:
            counting, self._counting = self._counting, None
            counting.abandon()

    def _command(self, folders: tuple[Path, ...]) -> Command:
        return self._inside((sys.executable, "-I", "-S", "-c", COUNT_SCRIPT, *map(str, folders)))


def _held(text: str) -> tuple[int, int]:
    try:
        held, names = map(int, text.split())
    except ValueError as error:
        raise Error(f"what is on disk could not be counted: {text[:200]!r}") from error
    return held, names
