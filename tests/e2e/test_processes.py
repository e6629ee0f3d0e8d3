"""Whose the processes of a build are, and that nothing stays of it: no root, no daemon."""

import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until

# The only setuid programs that are called; the kernel lets them write the map of ids.
MAP_TOOLS = {"newuidmap", "newgidmap"}


def name_of(pid: int) -> str:
    """The program, shortened to 15 characters by the kernel."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def user_of(pid: int) -> int:
    """The effective user, as the host counts."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[2])
    raise AssertionError(pid)


class Watch:
    """Looks at the processes of a build again and again: the users of each program."""

    def __init__(self, session: int, place: Path) -> None:
        self.users: dict[str, set[int]] = defaultdict(set)
        self._session, self._place = session, place
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.is_set():
            for pid in processes_of(self._session, self._place):
                try:
                    name, user = name_of(pid), user_of(pid)
                    if name == name_of(pid):  # else it became another program meanwhile
                        self.users[name].add(user)
                except OSError:
                    continue  # ended meanwhile
            time.sleep(0.005)


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_no_process_is_roots_and_none_stays(
    installation: Installation, app: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "buildpack", build=f"sleep 0.5\n{BUILDS}")
    # Containers are sessions of their own; their mounts tie them to the folder of the buildpack.
    with installation.start_build(app, "--runtime", str(runtime), buildpack=buildpack) as build:
        session = build.pid
        watch = Watch(session, tmp_path)
        try:
            assert build.finish(seconds=120).code == 0
        finally:
            watch.end()
    assert {"locald", "sleep"} <= watch.users.keys(), "it saw a buildpack's program"
    roots = {name for name, users in watch.users.items() if 0 in users}
    assert roots <= MAP_TOOLS
    assert wait_until(lambda: not processes_of(session, tmp_path), seconds=5)
