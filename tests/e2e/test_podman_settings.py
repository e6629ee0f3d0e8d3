"""What the host's settings give to every container of podman does not get into a build."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.e2e.test_mounts import said
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation
from tests.support.rootfs import make_rootfs

CANARY = "canary-of-an-entitlement-77c3"
LOOK = """\
grep -rs canary-of /run/secrets /run/entitlement /mnt/volume | sed 's/^/say /' || true
env | grep -s canary-of | sed 's/^/say /' || true
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose podman mounts secrets into every container, as hosts with subscriptions do."""
    home = tmp_path / "home"
    settings = home / ".config/containers"
    settings.mkdir(parents=True)
    for name in ("entitlement", "volume"):
        (home / name).mkdir()
        (home / name / "key").write_text(CANARY)
    (settings / "mounts.conf").write_text(f"{home}/entitlement:/run/entitlement\n")
    (settings / "containers.conf").write_text(
        f'[containers]\nvolumes = ["{home}/volume:/mnt/volume"]\nenv = ["PLANTED={CANARY}"]\n'
    )
    return home


def test_entitlements_volumes_and_variables_of_the_host_stay_there(
    installation: Installation, app: Path, home: Path, tmp_path: Path
) -> None:
    shown = _of_podman_itself(home, make_rootfs(tmp_path / "rootfs"))
    assert shown.count(CANARY) == 3, "podman does as its settings say, else this proves nothing"
    spy = BuildpackFolder.make(tmp_path / "spy", build=f"echo say begin\n{LOOK}{BUILDS}")
    own = installation.with_environment("CONTAINERS_CONF", HOME=str(home))
    result = own.build(app, "--runtime", RuntimeName.PODMAN, buildpack=spy)
    assert said(result.stderr) == ["begin"]


def _of_podman_itself(home: Path, rootfs: Path) -> str:
    look = "export PATH=/bin; cat /run/entitlement/key; cat /mnt/volume/key; env"
    runtime = ("--runtime", "runc") if shutil.which("runc") else ()  # crun wants plain cgroups
    run = ("run", "--rm", "--network", "none", "--rootfs", str(rootfs), "/bin/sh", "-c", look)
    return subprocess.run(
        ("podman", *runtime, *run),
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
