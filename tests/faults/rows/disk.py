"""No space, no inodes, no more writes: at every change on the disk, and on a small file system."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from oci.process import Command, CommandRunner
from oci.userns import UserNamespace
from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row

_ENOUGH = "remount,size=2g,nr_inodes=100000"
# Of some nine hundred changes on the disk; not a multiple of the number of errors.
_EVERY = 11
_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def _steps(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = []
    for when, place in (("first build", laboratory.cold), ("later build", laboratory.warm)):
        with laboratory.place(place) as here:
            count = len(here.operations())
        for number in range(1, count + 1, 130 if quick else _EVERY):
            error = errno.ENOSPC if quick else _ERRORS[number % len(_ERRORS)]
            name = f"{when}, step {number}: {errno.errorcode[error]} from then on"
            found.append(Case(name=name, hold=_from_then_on(place, number, error)))
    return tuple(found[1::3]) if quick else tuple(found)


def _from_then_on(place: Place, number: int, error: int) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(place) as here:
            fault = {"nth": number, "act": error, "times": 1_000_000}
            result = here.build(fault=fault)
            here.check_told(result)
            check(result.code != 0 or result.digest == laboratory.warm.digest, "another image")
            here.check_nothing_runs()
            here.check_visible()
            replace(here, digest=laboratory.warm.digest).check_as_good_as_new()

    return hold


def _small(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    # What a first build takes is about 100 MB.
    sizes = () if quick else (2, 8, 14, 20, 26, 32, 38, 44, 50, 56, 62, 68, 74, 80, 86, 92, 98, 104)
    inodes = (60,) if quick else (10, 30, 60, 100, 200, 400, 800, 1200, 1600, 2000, 2500, 3000)
    found = [Case(name=f"{size} MB", hold=_on(f"size={size}m")) for size in sizes]
    found += [Case(name=f"{count} inodes", hold=_on(f"nr_inodes={count}")) for count in inodes]
    return tuple(found)


def _on(option: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.cold) as here, _file_system(here, option) as there:
            result = there.build()
            there.check_told(result)
            check(result.code != 0 or result.digest == laboratory.warm.digest, "another image")
            if result.code:
                text = result.stderr.lower()
                check("no space" in text or "full" in text, f"the cause is not told: {text}")
            there.check_nothing_runs()
            there.check_visible()
            # What a full disk needs first is that something can be deleted on it.
            cleared = there.locald().run("cache", "clear", "--all")
            there.check_told(cleared)
            _more_space(there)
            replace(there, digest=laboratory.warm.digest).check_as_good_as_new()

    return hold


@contextmanager
def _file_system(here: Place, option: str) -> Iterator[Place]:
    """The machine on a file system in memory, in a mount namespace where only one id exists."""
    runner = CommandRunner()
    with UserNamespace(runner, ids=None, own_pids=False) as namespace:
        place = here.root / "small"
        place.mkdir()
        namespace.run("mount", "-t", "tmpfs", "-o", option, "none", str(place))
        for name in ("tmp", "config"):
            namespace.run("mkdir", str(place / name))
        # The namespace's root is not the host's, whose files skopeo takes for its own.
        namespace.run("mount", "-t", "tmpfs", "none", "/var/lib/containers", check=False)
        yield replace(
            here,
            root=Path(f"/proc/{namespace.pid}/root{place}"),
            inside=place,
            ours=(namespace.pid,),
            prefix=namespace.argv(),
        )


def _more_space(there: Place) -> None:
    argv = (*there.prefix, "mount", "-i", "-t", "tmpfs", "-o", _ENOUGH, "none", str(there.inside))
    CommandRunner().run(Command(argv=argv))


ROWS = (
    Row(
        key="disk-steps",
        title="disk full, quota, I/O error, read-only: from every 11th change on",
        cases=_steps,
        minutes=5,
    ),
    Row(
        key="disk-small",
        title="a file system too small, or with too few inodes",
        cases=_small,
        minutes=2,
    ),
)
