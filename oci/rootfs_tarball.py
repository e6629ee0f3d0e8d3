"""mmdebstrap: makes a Debian root filesystem as a tar archive, as an ordinary user."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oci.errors import DISK_FULL_HINT, CommandError, HostError
from oci.idmap import SubordinateIds
from oci.layer_writer import CONSTANT_TIME
from oci.process import Command, CommandRunner, LineSink, StartedCommand, missing_tool
from oci.userns import UserNamespace

_EXCLUDED = ("man", "doc", "locale", "info")


@dataclass(frozen=True, kw_only=True)
class DebianRootfs:
    """What goes into a root filesystem.

    variant: mmdebstrap's: which packages come without being named (`essential`, `apt`, …).
    hook: a program, called last, with the root folder as its argument.
    skip: steps of mmdebstrap left out.
    """

    suite: str
    variant: str
    packages: tuple[str, ...]
    hook: Path
    skip: tuple[str, ...] = ()


def mmdebstrap_argv(rootfs: DebianRootfs, *, output: Path) -> tuple[str, ...]:
    """The argv that makes it. The mirror is mmdebstrap's choice: the host's for the same suite."""
    return (
        "mmdebstrap",
        "--mode=root",  # of our user namespace
        f"--variant={rootfs.variant}",
        f"--include={','.join(rootfs.packages)}",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _EXCLUDED),
        f"--skip={','.join(('output/dev', *rootfs.skip))}",
        f"--customize-hook={shlex.quote(str(rootfs.hook))} \"$1\"",
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
    runner: CommandRunner,
    rootfs: DebianRootfs,
    output: Path,
    *,
    time: int = CONSTANT_TIME,
) -> Iterator[RootfsBuild]:
    """Start making the archive `output`; call `finish` in the block. Takes half a minute or more.

    Works beside `output`, in a user namespace that ends with us, however we end.
    time: no file is younger (seconds since the epoch), so that the same packages give the same
        archive.
    """
    if shutil.which("mmdebstrap") is None:
        raise missing_tool("mmdebstrap")
    ids = SubordinateIds.of_current_user()
    if not ids.usable:
        raise HostError(
            "a root filesystem cannot be made: this user has no subordinate ids",
            hint="see that /etc/subuid and /etc/subgid give you a range of 65536 ids",
        )
    scratch = Path(tempfile.mkdtemp(dir=output.parent, prefix="rootfs-"))
    with UserNamespace(runner, ids=ids) as namespace:
        command = Command(
            argv=namespace.argv(*mmdebstrap_argv(rootfs, output=output)),
            env={
                "SOURCE_DATE_EPOCH": str(time),
                "TMPDIR": str(scratch),
                # chroot and its like; not on every user's PATH.
                "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            },
        )
        build = RootfsBuild(rootfs, runner.begin(command))
        try:
            yield build
        finally:
            build.abandon()
            namespace.remove_tree(scratch)


def package_names(path: Path) -> tuple[str, ...]:
    """The names in a list of packages, one on a line; what follows a `#` is a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(line for line in lines if line)


def _explain(error: CommandError, rootfs: DebianRootfs) -> HostError:
    said = "\n".join(error.details)
    if "No space left" in said:
        hint = DISK_FULL_HINT
    elif "Failed to fetch" in said or "Could not resolve" in said or "Unable to locate" in said:
        hint = "see that this host reaches its Debian mirror: sudo apt-get update"
    else:
        hint = error.hint
    return HostError(
        f"mmdebstrap could not make a Debian {rootfs.suite} root filesystem",
        details=error.details[-15:],
        hint=hint,
    )
