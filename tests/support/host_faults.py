"""One thing of this host broken at a time, for one process only.

What an unprivileged user can take away: programs (a PATH without them), limits, variables; and in
a namespace of their own, where only one id exists, also files and space.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from locald.doctor.finding import Level
from tests.support.broken_host import SINGLE_ID, prepared, tools_without
from tests.support.buildpack_folder import BUILDS
from tests.support.e2e import Installation

# As every buildpack does that installs a compiler into a layer.
RUNS_WHAT_IT_MADE = f"""\
mkdir -p "$CNB_LAYERS_DIR/tool"
printf '#!/bin/sh\\nexit 0\\n' >"$CNB_LAYERS_DIR/tool/run"
chmod +x "$CNB_LAYERS_DIR/tool/run"
"$CNB_LAYERS_DIR/tool/run"
{BUILDS}"""

Breaker = Callable[[Installation, Path], Installation]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """breaks: gives the installation on the broken host; also gets a folder of this test.

    builds: does a build work all the same? levels: what some checks must say.
    flags: of both commands. new_builder: build with one that was never unpacked. small_builder: or
    with one that is soon copied.
    buildpack: the script of one to build with, in the place of the builder's own.
    """

    name: str
    breaks: Breaker
    builds: bool
    levels: Mapping[str, Level] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    new_builder: bool = False
    small_builder: bool = False
    buildpack: str = ""

    def __str__(self) -> str:
        return " ".join((self.name, *self.flags))


def _without(*tools: str) -> Breaker:
    def breaks(installation: Installation, folder: Path) -> Installation:
        return installation.with_environment(PATH=tools_without(folder / "tools", *tools))

    return breaks


def _below(*prefix: str) -> Breaker:
    return lambda installation, _: installation.within(*prefix)


def _prepared(script: Callable[[Installation], str]) -> Breaker:
    return lambda installation, _: prepared(installation, script(installation))


def _hidden(*tools: str) -> Breaker:
    """Also those in folders that are looked at whatever PATH says."""
    lines = (
        f'mount --bind /dev/null "$(PATH=$PATH:/usr/sbin:/sbin command -v {tool})"'
        for tool in tools
    )
    script = "\n".join(lines)
    return _prepared(lambda _: script)


def _mounted(place: Callable[[Installation], Path], options: str) -> Breaker:
    def script(installation: Installation) -> str:
        folder = place(installation)
        return f"mkdir -p {folder}; mount -t tmpfs -o {options} none {folder}"

    return _prepared(script)


def _work(installation: Installation) -> Path:
    return installation.paths.work


def _caches(installation: Installation) -> Path:
    return installation.paths.cache_dir


def _variables(*removed: str, **variables: str) -> Breaker:
    return lambda installation, _: installation.with_environment(*removed, **variables)


def _closed_folder(*variables: str) -> Breaker:
    def breaks(installation: Installation, folder: Path) -> Installation:
        closed = folder / "closed"
        closed.mkdir(mode=0o500)
        return installation.with_environment(**dict.fromkeys(variables, str(closed)))

    return breaks


def _colon(installation: Installation, folder: Path) -> Installation:
    return installation.with_environment(LOCALD_DATA_DIR=str(folder / "a:b"))


def _without_tun(installation: Installation, _: Path) -> Installation:
    # Outside of a container that would be a refusal: where a user can hide it, it is one.
    inside = installation.with_environment(container="a test")
    return prepared(inside, "mount -t tmpfs none /dev/net")


def _work_on_an_overlay(installation: Installation) -> str:
    """No overlay can lie on one: such is the disk of a container."""
    work = installation.paths.work
    return f"""\
mkdir -p {work}
mount -t tmpfs none /mnt
mkdir /mnt/lower /mnt/upper /mnt/work
cd /mnt
mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work none {work}
cd /"""


def _in_single_namespace(line: str) -> Breaker:
    return _prepared(lambda _: line)


FAULTS = (
    Fault(name="nothing", breaks=lambda i, _: i, builds=True, levels={"build": Level.OK}),
    # ---- programs
    Fault(
        name="no skopeo",
        breaks=_without("skopeo"),
        builds=False,
        new_builder=True,
        levels={"build": Level.FAIL, "skopeo": Level.FAIL},
    ),
    Fault(
        name="no umoci",
        breaks=_without("umoci"),
        builds=False,
        new_builder=True,
        levels={"build": Level.FAIL, "umoci": Level.FAIL},
    ),
    Fault(
        name="no slirp4netns",
        breaks=_without("slirp4netns"),
        builds=False,
        levels={"build": Level.FAIL, "slirp4netns": Level.FAIL},
    ),
    Fault(
        name="no slirp4netns",
        breaks=_without("slirp4netns"),
        builds=True,
        flags=("--network", "none"),
        levels={"build": Level.OK, "slirp4netns": Level.WARN},
    ),
    Fault(
        name="no newuidmap",
        breaks=_without("newuidmap"),
        builds=True,
        levels={"runc": Level.WARN, "id-map-tools": Level.WARN, "bwrap": Level.OK},
    ),
    Fault(
        name="no newuidmap",
        breaks=_without("newuidmap"),
        builds=False,
        flags=("--runtime", "runc"),
        levels={"runc": Level.FAIL, "id-map-tools": Level.FAIL},
    ),
    Fault(
        name="no podman",
        breaks=_without("podman"),
        builds=True,
        levels={"podman": Level.NOTE, "runc": Level.OK},
    ),
    Fault(
        name="no unshare",
        breaks=_without("unshare"),
        builds=False,
        levels={"namespace-tools": Level.FAIL, "user-namespaces": Level.FAIL},
    ),
    Fault(
        name="no runtime",
        breaks=_hidden("runc", "podman", "bwrap"),
        builds=False,
        levels={"runc": Level.FAIL, "podman": Level.FAIL, "bwrap": Level.FAIL},
    ),
    Fault(
        name="no policy.json",
        breaks=_in_single_namespace("mount -t tmpfs none /etc/containers"),
        builds=False,
        new_builder=True,
        levels={"build": Level.FAIL, "policy": Level.FAIL},
    ),
    # ---- namespaces, ids, devices
    Fault(
        name="no new privileges",
        breaks=_below("setpriv", "--no-new-privs"),
        builds=True,
        levels={"id-map-tools": Level.WARN, "bwrap": Level.OK},
    ),
    Fault(
        name="no user namespaces (seccomp)",
        breaks=_below(sys.executable, "-m", "tests.support.no_namespaces"),
        builds=False,
        levels={"user-namespaces": Level.FAIL, "seccomp": Level.FAIL},
    ),
    Fault(
        name="no user namespaces (sysctl)",
        breaks=_in_single_namespace("echo 0 >/proc/sys/user/max_user_namespaces"),
        builds=False,
        levels={"user-namespaces": Level.FAIL, "namespace-limits": Level.FAIL},
    ),
    Fault(
        name="one id",
        breaks=_below(*SINGLE_ID),
        builds=True,
        levels={"subordinate-ids": Level.WARN, "bwrap": Level.OK},
    ),
    Fault(
        name="one id",
        breaks=_below(*SINGLE_ID),
        builds=False,
        flags=("--runtime", "runc"),
        levels={"subordinate-ids": Level.FAIL, "runc": Level.FAIL},
    ),
    Fault(
        name="a masked /proc",
        breaks=_in_single_namespace("mount --bind /dev/null /proc/timer_list"),
        builds=True,
        levels={"proc": Level.NOTE},
    ),
    Fault(
        name="no tun",
        breaks=_without_tun,
        builds=True,
        levels={"tun": Level.WARN},
    ),
    # ---- folders
    Fault(
        name="a full work folder",
        breaks=_mounted(_work, "size=8k"),
        builds=False,
        levels={"folders": Level.FAIL, "space": Level.FAIL},
    ),
    Fault(
        name="a small work folder",
        breaks=_mounted(_work, "size=1m"),
        builds=False,
        levels={"space": Level.FAIL},
    ),
    Fault(
        name="a work folder of few files",
        breaks=_mounted(_work, "size=1g,nr_inodes=20"),
        builds=False,
        levels={"build": Level.FAIL, "space": Level.FAIL},
    ),
    Fault(
        name="a work folder mounted noexec",
        breaks=_mounted(_work, "size=1g,noexec"),
        builds=False,
        buildpack=RUNS_WHAT_IT_MADE,
        levels={"build": Level.FAIL, "folders": Level.FAIL},
    ),
    Fault(
        name="full caches",
        breaks=_mounted(_caches, "size=8k"),
        builds=True,
        levels={"space": Level.WARN},
    ),
    Fault(
        name="closed caches",
        breaks=_closed_folder("LOCALD_CACHE_DIR"),
        builds=False,
        levels={"folders": Level.FAIL},
    ),
    Fault(
        name="a closed data folder",
        breaks=_closed_folder("LOCALD_DATA_DIR"),
        builds=False,
        levels={"build": Level.FAIL, "folders": Level.FAIL},
    ),
    Fault(
        name="a colon in the data folder's name",
        breaks=_colon,
        builds=False,
        levels={"store": Level.FAIL},
    ),
    Fault(
        name="a work folder on an overlay",
        breaks=_prepared(_work_on_an_overlay),
        builds=True,
        levels={"build": Level.OK, "overlay": Level.NOTE},
    ),
    Fault(
        name="no overlay of any kind",
        breaks=_without("mount", "fuse-overlayfs"),
        builds=True,
        small_builder=True,
        levels={"build": Level.OK, "namespace-tools": Level.WARN, "overlay": Level.WARN},
    ),
    # ---- surroundings
    Fault(
        name="a home that cannot be written",
        breaks=_closed_folder("HOME"),
        builds=True,
        levels={"home": Level.WARN, "podman-storage": Level.WARN},
    ),
    Fault(
        name="no home",
        breaks=_variables("HOME"),
        builds=True,
        levels={"home": Level.WARN},
    ),
    Fault(
        name="a home that is nowhere",
        breaks=_variables(HOME="no/such folder\nat all"),
        builds=True,
        levels={"home": Level.WARN},
    ),
    Fault(
        name="a runtime dir that is not there",
        breaks=_variables(XDG_RUNTIME_DIR="/no/such folder"),
        builds=True,
        levels={"runtime-dir": Level.NOTE},
    ),
    Fault(
        name="no runtime dir",
        breaks=_variables("XDG_RUNTIME_DIR"),
        builds=True,
        levels={"runtime-dir": Level.NOTE},
    ),
    Fault(
        name="a runtime dir of somebody else",
        breaks=_variables(XDG_RUNTIME_DIR="/"),
        builds=True,
        levels={"runtime-dir": Level.NOTE},
    ),
    Fault(
        name="few open files",
        breaks=_below("prlimit", "--nofile=128"),
        builds=True,
        levels={"limits": Level.WARN},
    ),
    Fault(
        name="hardly any open files",
        breaks=_below("prlimit", "--nofile=20"),
        builds=False,
        levels={"build": Level.FAIL, "limits": Level.FAIL},
    ),
    Fault(
        name="small files only",
        breaks=_below("prlimit", "--fsize=100000"),
        builds=False,
        levels={"limits": Level.FAIL},
    ),
    Fault(
        name="little memory to address",
        breaks=_below("prlimit", "--as=1000000000"),
        builds=False,
        levels={"build": Level.FAIL, "limits": Level.FAIL},
    ),
    Fault(
        name="hardly any memory to address",
        breaks=_below("prlimit", "--as=100000000"),
        builds=False,
        levels={"build": Level.FAIL, "limits": Level.FAIL},
    ),
    Fault(
        name="no further process",
        breaks=_below("prlimit", "--nproc=1"),
        builds=False,
        levels={"build": Level.FAIL},
    ),
)
