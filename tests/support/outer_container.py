"""Containers to run locald in: rootless podman's, from an image that is made here.

The image is Debian with the tools that locald needs and without locald. It is made once and kept in
the user's cache folder, in a storage of its own, under a key made of what goes into it.
"""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from platformdirs import user_cache_path

from locald.ci.scripts import PACKAGES
from oci.locks import exclusive
from oci.process import CommandRunner
from oci.rootfs_tarball import DebianRootfs, begin_rootfs

REPOSITORY = Path(__file__).parents[2]
_SUITE = "bookworm"
_PYTHON = "3.11"  # the suite's
_ROOTFS = DebianRootfs(
    suite=_SUITE,
    variant="minbase",
    # What a job installs, and podman for podman in podman.
    packages=(*PACKAGES, "podman"),
    hook=Path("/bin/true"),
)
_IMAGE = "localhost/locald-tests/outer:1"
_LIMIT_SECONDS = 600
_KILLED = 128 + 9


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command in a container left."""

    code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class OuterContainer:
    """A running one."""

    podman: tuple[str, ...]
    name: str

    def run(self, *argv: str, stdin: str = "", env: Sequence[str] = (), cwd: str = "/") -> Ended:
        """A command in it, to its end. env: `NAME=VALUE`."""
        variables = (word for pair in env for word in ("--env", pair))
        ended = _run(
            (*self.podman, "exec", "--interactive", "--workdir", cwd, *variables, self.name, *argv),
            stdin=stdin,
        )
        if ended.code != _KILLED:
            return ended
        # Who was it? The kernel for want of memory, or has the container itself ended?
        state = _run((*self.podman, "inspect", "--format", "{{json .State}}", self.name))
        return Ended(code=ended.code, output=f"{ended.output}\nits container: {state.output}")


@dataclass(frozen=True, kw_only=True)
class OuterImage:
    """The image, in a storage of its own in `folder`."""

    folder: Path

    @classmethod
    def ready(cls) -> Self:
        """The one in the cache folder, made if it is not there: half a minute, once."""
        key = hashlib.sha256(repr(_ROOTFS).encode()).hexdigest()[:12]
        folder = user_cache_path("locald-tests") / f"outer-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        image = cls(folder=folder)
        with exclusive(folder / "lock", what="the image of outer containers"):
            if _run((*image.podman, "image", "exists", _IMAGE)).code != 0:
                image._make()
        return image

    @property
    def podman(self) -> tuple[str, ...]:
        """Podman on this storage. Not crun, which refuses some hosts' cgroups."""
        short = Path(f"/var/tmp/locald-outer-{os.getuid()}")  # podman takes no long one
        return (
            "podman",
            "--root", str(self.folder / "storage"),
            "--runroot", str(short),
            "--storage-driver", "overlay",
            "--runtime", "runc",
            "--cgroup-manager", "cgroupfs",
        )  # fmt: skip

    @contextmanager
    def container(self, name: str, *options: str) -> Iterator[OuterContainer]:
        """One that runs for as long as this block, and this process, however it ends.

        options: of `podman run`.
        """
        # Its program ends with its standard input, which only this process holds.
        argv = (*self.podman, "run", "--rm", "--interactive", "--name", name, *options, _IMAGE)
        script = "echo started; exec cat >/dev/null"
        with subprocess.Popen(
            (*argv, "sh", "-c", script),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                if process.stdout.readline() != "started\n":
                    _, errors = process.communicate(timeout=_LIMIT_SECONDS)
                    raise AssertionError(f"podman did not start a container: {errors}")
                yield OuterContainer(podman=self.podman, name=name)
            finally:
                _run((*self.podman, "rm", "--force", "--ignore", "--time", "0", name))
                process.stdin.close()

    def run(self, *argv: str, options: Sequence[str] = ()) -> Ended:
        """A command in a container of its own."""
        return _run((*self.podman, "run", "--rm", *options, _IMAGE, *argv))

    def remove_tree(self, path: Path) -> None:
        """Delete what containers wrote, other ids' files too."""
        _run((*self.podman, "unshare", "rm", "-rf", "--", str(path)))

    def _make(self) -> None:
        archive = self.folder / "rootfs.tar"
        with begin_rootfs(CommandRunner(), _ROOTFS, archive) as build:
            build.finish()
        imported = _run((*self.podman, "import", "--quiet", str(archive), _IMAGE))
        archive.unlink()
        assert imported.code == 0, imported.output


def make_wheels(folder: Path) -> Path:
    """A folder with locald's wheel and those it needs, at the versions of the lock file.

    What comes from the package index is kept in the user's cache folder.
    """
    folder.mkdir()
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY))
    for wheel in _foreign_wheels().glob("*.whl"):
        (folder / wheel.name).write_bytes(wheel.read_bytes())
    return folder


def _foreign_wheels() -> Path:
    lock = (REPOSITORY / "requirements.lock").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = "\n".join(re.findall(r"(?m)^[A-Za-z0-9._-]+==[^\s;]+", lock))
    machine = os.uname().machine
    text = repr((pins, project["dependencies"], _PYTHON, machine))
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    cache = user_cache_path("locald-tests")
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive(cache / "wheels.lock", what="wheels for tests"):
        found = cache / f"wheels-{key}"
        if not found.exists():
            fresh = cache / f"wheels-{key}.new"
            fresh.mkdir(exist_ok=True)
            (fresh / "pins").write_text(pins)
            _pip(
                *("download", "--dest", str(fresh), "--constraint", str(fresh / "pins")),
                *("--only-binary", ":all:", "--implementation", "cp", "--python-version", _PYTHON),
                *("--platform", f"manylinux2014_{machine}"),
                *("--platform", f"manylinux_2_28_{machine}", *project["dependencies"]),
            )
            fresh.rename(found)
        return found


def _pip(*arguments: str) -> None:
    argv = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    ended = _run(argv)
    assert ended.code == 0, ended.output


def _run(argv: Sequence[str], *, stdin: str = "") -> Ended:
    done = subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    return Ended(code=done.returncode, output=done.stdout)
