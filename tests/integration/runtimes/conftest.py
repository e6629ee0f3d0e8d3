"""Each test here runs once for every runtime."""

import os
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.bubblewrap import BubblewrapRuntime
from lifecycle.runtime.podman import PodmanRuntime
from lifecycle.runtime.runc import RuncRuntime
from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    RuntimeName,
    Sandbox,
)
from oci.process import CommandRunner
from tests.support.rootfs import give_to_root, make_rootfs, remove_rootfs


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Path]]:
    """One root filesystem for the map of all ids (False), one for that of a single id (True)."""
    folder = tmp_path_factory.mktemp("roots")
    runner = CommandRunner()
    all_ids, single = make_rootfs(folder / "all"), make_rootfs(folder / "single")
    give_to_root(all_ids, runner)
    yield {False: all_ids, True: single}
    remove_rootfs(all_ids, runner)


@pytest.fixture(params=list(RuntimeName))
def runtime(request: pytest.FixtureRequest) -> ContainerRuntime:
    runner = CommandRunner()
    match RuntimeName(request.param):
        case RuntimeName.RUNC:
            return RuncRuntime(runner)
        case RuntimeName.PODMAN:
            return PodmanRuntime(runner)
        case RuntimeName.BUBBLEWRAP:
            return BubblewrapRuntime(runner)


@pytest.fixture
def rootfs(runtime: ContainerRuntime, roots: dict[bool, Path]) -> Path:
    return roots[runtime.id_map(1000, 1000).single]


@pytest.fixture
def sandbox(runtime: ContainerRuntime, tmp_path: Path) -> Iterator[Sandbox]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with runtime.open(scratch) as opened:
        yield opened


@pytest.fixture
def spec(rootfs: Path) -> ContainerSpec:
    return ContainerSpec(
        name=f"locald-test-{os.getpid()}-{time.monotonic_ns()}",
        rootfs=rootfs,
        argv=("/bin/true",),
        env={"PATH": "/bin", "HOME": "/home/cnb"},
        cwd=PurePosixPath("/"),
        user=1000,
        group=1000,
    )
