"""mmdebstrap: makes a Debian root filesystem as a tar archive, as an ordinary user."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oci.errors import CommandError, HostError, StorageError
from oci.idmap import SubordinateIds
from oci.layer_writer import CONSTANT_TIME
from oci.process import Command, CommandRunner, LineSink, StartedCommand
from oci.userns import UserNamespace

# Large, and there on every host; /tmp may be in memory.
_DEFAULT_TEMPORARY = Path("/var/tmp")
_EXCLUDED = ("man", "doc", "locale", "info")


@dataclass(frozen=True, kw_only=True)
class DebianRootfs:
    """What goes into a root filesystem.

    variant: mmdebstrap's: which packages come without being named (`essential`, `apt`, …).
    folder: holds `hook` and what it reads; copied to where every user can read it, because the
        hook runs as a subordinate id.
    hook: inside `folder`; called last, with the root folder as its argument.
    skip: steps of mmdebstrap left out.
    """

    suite: str
    variant: str
    packages: tuple[str, ...]
    folder: Path
    hook: str
    skip: tuple[str, ...] = ()


def mmdebstrap_argv(rootfs: DebianRootfs, *, hook: Path, output: Path) -> tuple[str, ...]:
    """The argv that makes it. The mirror is mmdebstrap's choice: the host's for the same suite."""
    return (
        "mmdebstrap",
        "--mode=unshare",
        f"--variant={rootfs.variant}",
        f"--include={','.join(rootfs.packages)}",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _EXCLUDED),
        f"--skip={','.join(('output/dev', *rootfs.skip))}",
        f"--customize-hook={hook}",
        "--format=tar",
        rootfs.suite,
        str(output),
    )  # fmt: skip


class RootfsBuild:
    """mmdebstrap at work on one root filesystem; ends when the `with` block does."""

    def __init__(self, rootfs: DebianRootfs, started: StartedCommand) -> None:
        self._rootfs = rootfs
        self._started: StartedCommand | None = started

    def finish(self, *, on_line: LineSink | None = None) -> None:
        """Wait until the archive is whole. Raises HostError when it could not be made."""
        started, self._started = self._started, None
        if started is None:
            return
        try:
            started.finish(on_line=on_line)
        except CommandError as error:
            raise _explain(error, self._rootfs) from error

    def abandon(self) -> None:
        """Kill it, if it is still at work."""
        started, self._started = self._started, None
        if started is not None:
            started.abandon()


@contextmanager
def begin_rootfs(
    runner: CommandRunner, rootfs: DebianRootfs, output: Path, *, time: int = CONSTANT_TIME
) -> Iterator[RootfsBuild]:
    """Start making the archive `output`; call `finish` in the block. Takes half a minute or more.

    time: no file is younger (seconds since the epoch), so that the same packages give the same
        archive.
    """
    with _readable_folder(runner) as scratch:
        shutil.copytree(rootfs.folder, scratch / "recipe")
        for path in (scratch / "recipe").rglob("*"):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        command = Command(
            argv=mmdebstrap_argv(rootfs, hook=scratch / "recipe" / rootfs.hook, output=output),
            env={"SOURCE_DATE_EPOCH": str(time), "TMPDIR": str(scratch)},
        )
        build = RootfsBuild(rootfs, runner.begin(command))
        try:
            yield build
        finally:
            build.abandon()


def package_names(path: Path) -> tuple[str, ...]:
    """The names in a list of packages, one on a line; what follows a `#` is a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(line for line in lines if line)


@contextmanager
def _readable_folder(runner: CommandRunner) -> Iterator[Path]:
    """A temporary folder below which subordinate ids can read; one's own data folder is private."""
    parent = Path(os.environ.get("TMPDIR") or _DEFAULT_TEMPORARY)
    try:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix="locald-rootfs-"))
    except OSError as error:
        raise StorageError(f"no temporary folder can be made in {parent}: {error}") from error
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():  # a build that was killed leaves files of subordinate ids
            with UserNamespace(runner, ids=SubordinateIds.of_current_user()) as namespace:
                namespace.remove_tree(folder)


def _explain(error: CommandError, rootfs: DebianRootfs) -> HostError:
    said = "\n".join(error.details)
    if "newuidmap" in said or "subuid" in said or "unshare" in said.lower():
        hint = "`locald doctor` tells whether this user has subordinate ids"
    elif "No space left" in said:
        hint = "free some space, or set TMPDIR to a folder with 2 GB of it"
    elif "Failed to fetch" in said or "Could not resolve" in said or "Unable to locate" in said:
        hint = "see that this host reaches its Debian mirror: sudo apt-get update"
    else:
        hint = error.hint
    return HostError(
        f"mmdebstrap could not make a Debian {rootfs.suite} root filesystem",
        details=error.details[-15:],
        hint=hint,
    )
