"""Limits: cgroups on a folder that looks like one, what processes take of this host's /proc."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifecycle.runtime.cgroup import Cgroup, delegated_cgroup
from lifecycle.runtime.limits import LimitExceeded, kernel_version
from lifecycle.runtime.usage import ContainerProcesses
from oci.process import CommandRunner


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A cgroup v2 hierarchy that this user was given; `scope` is the group that we are in."""
    root = tmp_path / "cgroup"
    (root / "user/scope").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("memory pids\n")
    (root / "user/cgroup.procs").touch()
    (root / "user/cgroup.subtree_control").write_text("memory pids\n")
    (tmp_path / "own").write_text("0::/user/scope\n")
    return root


def test_a_group_is_made_beside_ours(tree: Path, tmp_path: Path) -> None:
    with delegated_cgroup(
        CommandRunner(), memory_bytes=1000, pids=7, root=tree, own=tmp_path / "own"
    ) as group:
        assert group is not None
        folder = group.folders["pids"]
        assert folder == group.folders["memory"]
        assert folder.parent == tree / "user"
        assert (folder / "memory.max").read_text() == "1000"
        assert (folder / "pids.max").read_text() == "7"
        assert (folder / "cgroup.procs").read_text().strip().isdigit()  # the trial
        assert not group.memory_exceeded()
        (folder / "memory.events").write_text("low 0\noom_kill 1\n")
        (folder / "inner").mkdir()
        (folder / "inner/pids.events").write_text("max 3\n")
        assert group.memory_exceeded()
        assert group.pids_exceeded()


@pytest.mark.parametrize("pids", [7, None])
def test_groups_of_the_dead_are_removed_and_only_these(tmp_path: Path, pids: int | None) -> None:
    # Version 1, as an administrator may have given it; runc makes groups in all of them.
    root = tmp_path / "cgroup"
    own = tmp_path / "own"
    own.write_text("3:freezer:/given\n2:pids:/given\n1:name=systemd:/given\n0::/\n")
    with subprocess.Popen(("true",)) as dead:
        pass
    places = [root / name / "given" for name in ("freezer", "pids", "systemd")]
    for place in places:
        for name in (f"locald-{dead.pid}-work-export/inner", f"locald-{os.getpid()}-x", "other"):
            (place / name).mkdir(parents=True)
        (place / "cgroup.procs").touch()
    with delegated_cgroup(CommandRunner(), memory_bytes=None, pids=pids, root=root, own=own):
        for place in places:
            left = {path.name for path in place.iterdir() if path.is_dir()}
            left = {name for name in left if not name.startswith(f"locald-{os.getpid()}-")}
            assert left == {"other"}
            assert (place / f"locald-{os.getpid()}-x").is_dir()


@pytest.mark.parametrize("missing", ["cgroup.procs", "cgroup.subtree_control"])
def test_there_is_none_where_nothing_is_ours(tree: Path, tmp_path: Path, missing: str) -> None:
    path = tree / "user" / missing
    if missing == "cgroup.procs":
        path.unlink()
    else:
        path.write_text("cpu\n")
    with delegated_cgroup(
        CommandRunner(), memory_bytes=None, pids=7, root=tree, own=tmp_path / "own"
    ) as group:
        assert group is None
    assert list((tree / "user").glob("locald-*")) == []


def test_a_command_joins_each_hierarchy_once() -> None:
    group = Cgroup(version=1, folders={"memory": Path("/m/g"), "pids": Path("/p/g")})
    argv = group.joined(("true",))
    assert argv[:2] == ("sh", "-c")
    assert argv[3:] == ("sh", "2", "/m/g/cgroup.procs", "/p/g/cgroup.procs", "true")


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.18.44-fc", (6, 18)), ("5.4.0-1", (5, 4)), ("odd", (0, 0)), ("6.x", (0, 0))],
)
def test_the_version_of_a_kernel(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version


def test_what_processes_take() -> None:
    """Threads count, and memory that is written to."""
    script = (
        "import threading,time\nx=b'x'*(64<<20)\n"
        "for _ in range(5): threading.Thread(target=time.sleep,args=(60,),daemon=True).start()\n"
        "print('up',flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.1)
            found = ContainerProcesses(started=1, first=process.pid).usage(memory=True)
        finally:
            process.kill()
    assert found is not None
    assert found.tasks == 6
    assert 64 << 20 <= found.memory_bytes < 200 << 20


def test_no_container_takes_nothing() -> None:
    with subprocess.Popen(("sleep", "60")) as process:
        try:
            assert ContainerProcesses(started=process.pid).usage(memory=True) is None
        finally:
            process.kill()


def test_a_message_names_who_it_was() -> None:
    error = LimitExceeded("more memory than 1g (--memory)", hint="h")
    assert error.message == "the build took more memory than 1g (--memory)"
    assert error.exit_code == 5
    inside = error.within("build", "a/b@1")
    assert inside.message == "build: the buildpack a/b@1 took more memory than 1g (--memory)"
    assert error.within("detect", "").message.startswith("detect: it took more memory")
