"""Odd but lawful surroundings: umask, locale, clock, names of folders, variables."""

import os
import shutil
import time
from dataclasses import replace
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row

_PATHS = (
    b"with space", b"two\nlines", b"caf\xc3\xa9", b"latin-\xe9", b"-dash", b"--help",
    b"a'quote", b'double"quote', b"$HOME", b"`date`", b"percent%20", b"hash#tag", b"semi;colon",
    b"back\\slash", b"star*", b"comma,name", b"equals=sign", b"at@sign", b"tab\tname",
    b"\x1b[31mred", b"..dots", b".hidden", b"UPPER", b"n" * 255, b"under__score", b"[brackets]",
)  # fmt: skip
_COLON = b"co:lon"
_LOCALES = ("C", "POSIX", "C.UTF-8", "xx_YY.UTF-8", "en_US.ISO-8859-1", "tr_TR.UTF-8", "")
_UMASKS = ("0000", "0002", "0022", "0027", "0077", "0777")


def _cases(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = [
        Case(name=f"umask {m}", hold=_below("sh", "-c", f'umask {m}; exec "$@"', "sh"))
        for m in _UMASKS
    ]
    found += [
        Case(name=f"LC_ALL={name!r}", hold=_with(LC_ALL=name, LANG=name)) for name in _LOCALES
    ]
    found += [
        Case(name="no HOME", hold=_below("env", "-u", "HOME")),
        Case(name="HOME is not there", hold=_with(HOME="/nonexistent")),
        Case(name="no XDG_RUNTIME_DIR", hold=_below("env", "-u", "XDG_RUNTIME_DIR")),
        Case(name="XDG_RUNTIME_DIR is not there", hold=_with(XDG_RUNTIME_DIR="/nonexistent")),
        Case(name="TERM=dumb", hold=_with(TERM="dumb", COLUMNS="1")),
        Case(name="TZ odd", hold=_with(TZ="Nowhere/Land")),
        Case(name="SOURCE_DATE_EPOCH odd", hold=_with(SOURCE_DATE_EPOCH="-5")),
        Case(name="PYTHONUTF8=0", hold=_with(PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0")),
        Case(name="64 open files", hold=_below("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")),
    ]
    found += [Case(name=f"project in {path!r}", hold=_project_in(path)) for path in _PATHS]
    found += [Case(name=f"project in {_COLON!r}", hold=_project_in(_COLON))]
    found += [
        Case(name=f"data in {path!r}", hold=_data_in(path)) for path in (*_PATHS[:12], _COLON)
    ]
    found += [Case(name=f"clock {name}", hold=_clock(seconds)) for name, seconds in _CLOCKS.items()]
    found += [Case(name="the host has restarted", hold=_restarted)]
    return tuple(found[4::17]) if quick else tuple(found)


_CLOCKS = {
    "a day back": -86400.0,
    "ten years back": -3.2e8,
    "ten years ahead": 3.2e8,
    "at 1970": 0.0,
}


def _below(*prefix: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            _twice(laboratory, replace(here, prefix=prefix))

    return hold


def _with(**variables: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            _twice(laboratory, here.with_environment(**variables))

    return hold


def _project_in(name: bytes) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            parent = here.root / "projects"
            parent.mkdir()
            app = parent / os.fsdecode(name)
            shutil.copytree(here.app, app)
            _twice(laboratory, replace(here, app=app))

    return hold


def _data_in(name: bytes) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.cold) as here:
            moved = here.root / os.fsdecode(name)
            (moved / "tmp").mkdir(parents=True)
            _twice(laboratory, replace(here, root=moved))

    return hold


def _clock(seconds: float) -> Any:
    """The clock jumped since: everything that is there is from another time."""

    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            then = 0.0 if seconds == 0.0 else time.time() - seconds
            for folder, folders, files in os.walk(here.root):
                if folder == str(here.store / "rootfs"):
                    folders.clear()
                for name in (*folders, *files):
                    path = os.path.join(folder, name)  # noqa: PTH118
                    os.utime(path, (then, then), follow_symlinks=False)
            _twice(laboratory, here)

    return hold


def _restarted(laboratory: Laboratory) -> None:
    with laboratory.place(laboratory.warm) as here:
        result = here.build(fault={"booted": True})
        here.check_told(result)
        check("cache: used" in result.output, f"the cache is not believed: {result.output}")
        here.check_good(result)
        here.check_as_good_as_new()


def _twice(laboratory: Laboratory, here: Place) -> None:
    result = here.build()
    here.check_told(result)
    if result.code:
        check("hint" in result.stderr.lower(), f"no remedy: {result.stderr}")
        here.check_nothing_runs()
        return
    check(result.digest == laboratory.warm.digest, f"another image: {result.output}")
    replace(here, digest=laboratory.warm.digest).check_as_good_as_new()


ROWS = (
    Row(
        key="surroundings",
        title="umask, locale, clock, restart, variables, odd paths",
        cases=_cases,
        minutes=3,
    ),
)
