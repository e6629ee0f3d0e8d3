"""Where no build works that is told at once, and the command that is told makes it work."""

import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.broken_host import SINGLE_ID, never_unpacked, tools_without
from tests.support.cli import Locald
from tests.support.e2e import Installation

# On a busy machine everything takes longer, and in proportion.
_SECONDS = 2.0
_TIMES_VERSION = 6.0

# $1: a folder of PATH in which programs are missing. Debian's own lists tell what a package
# brings; /etc cannot be written.
INSTALL = """\
export PATH="$PATH:/usr/sbin:/sbin"
sudo() { "$@"; }
tee() { cat >/dev/null; }
apt() {
    shift
    for package; do
        dpkg --listfiles "$package" | while read -r file; do
            case $file in */bin/*|*/sbin/*) ln -sf "$file" "$1/" ;; esac
        done
    done
}
"""


def remedied(broken: Locald, tools: Path, commands: list[str]) -> Locald:
    """Below a shell that runs the commands first, without root."""
    install = INSTALL.replace("$1/", f"{tools}/")
    script = "\n".join((install, *commands, 'exec "$@"'))
    return replace(broken, prefix=(*broken.prefix, "sh", "-euc", script, "sh"))


def test_installing_what_is_told_to_be_missing_makes_builds_work(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("the packages of another distribution")
    missing = ("skopeo", "umoci", "slirp4netns", "newuidmap", "newgidmap", "unshare", "nsenter")
    tools = tmp_path / "tools"
    flags = ("--runtime", "runc")
    broken = installation.with_environment(PATH=tools_without(tools, *missing))
    refused(broken, app, *flags)
    hints = broken.locald.run("doctor", "--fix-hints", *flags)
    assert hints.code == 3, hints.output
    mended = replace(broken, locald=remedied(broken.locald, tools, hints.stdout.splitlines()))
    works(mended, app, *flags)
    assert all((tools / tool).exists() for tool in missing)


@pytest.mark.parametrize("limit", ["--nofile=20:4096", "--fsize=100000:", "--as=1000000000:"])
def test_a_limit_that_is_raised_as_told_lets_builds_work(
    installation: Installation, app: Path, tmp_path: Path, limit: str
) -> None:
    broken = installation.within("prlimit", limit)
    refused(broken, app)
    hints = broken.locald.run("doctor", "--fix-hints")
    assert hints.code == 3, hints.output
    assert "prlimit --pid $$ " in hints.stdout
    works(replace(broken, locald=remedied(broken.locald, tmp_path, hints.stdout.splitlines())), app)


def test_a_sysctl_that_is_set_as_told_lets_builds_work(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    # A sysctl of this namespace only.
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    broken = installation.within(*SINGLE_ID, "sh", "-euc", forbid, "sh")
    refused(broken, app)
    hints = broken.locald.run("doctor", "--fix-hints")
    assert hints.code == 3, hints.output
    commands = [line for line in hints.stdout.splitlines() if "max_user_namespaces" in line]
    assert commands
    works(replace(broken, locald=remedied(broken.locald, tmp_path, commands)), app)


@pytest.mark.parametrize(
    ("prefix", "flags", "remedy"),
    [
        (("prlimit", "--as=100000000"), (), "/etc/security/limits.conf"),
        (("prlimit", "--nofile=12"), (), "/etc/security/limits.conf"),
        (("prlimit", "--fsize=1000"), (), "/etc/security/limits.conf"),
        (("prlimit", "--nproc=1"), (), "/etc/security/limits.conf"),
        (SINGLE_ID, ("--runtime", "runc"), "usermod --add-subuids"),
        ((sys.executable, "-m", "tests.support.no_namespaces"), (), "user.max_user_namespaces"),
    ],
    ids=["memory", "open files", "size of files", "processes", "ids", "namespaces"],
)
def test_a_host_that_cannot_is_refused_at_once_with_the_remedy(
    installation: Installation,
    app: Path,
    prefix: tuple[str, ...],
    flags: tuple[str, ...],
    remedy: str,
) -> None:
    assert remedy in refused(installation.within(*prefix), app, *flags)


def test_a_refusal_comes_before_any_work(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    """Also with a builder that would have to be unpacked first."""
    builder = never_unpacked(installation, tmp_path / "builder")
    refused(installation.within("prlimit", "--nofile=20"), app, "--builder", builder)


def refused(broken: Installation, app: Path, *flags: str) -> str:
    """Exit code 3, soon, with a remedy; the message."""
    least = seconds_of_version(broken.within())
    began = time.monotonic()
    result = broken.try_build(app, *flags)
    seconds = time.monotonic() - began
    assert result.code == 3, result.output
    assert "Traceback" not in result.stderr
    assert "hint: " in result.stderr
    assert seconds < max(_SECONDS, _TIMES_VERSION * least)
    return result.stderr


def works(mended: Installation, app: Path, *flags: str) -> None:
    told = mended.locald.run("doctor", *flags)
    assert told.code == 0, told.output
    mended.build(app, *flags)


def seconds_of_version(installation: Installation) -> float:
    began = time.monotonic()
    assert installation.locald.run("--version").code == 0
    return time.monotonic() - began
