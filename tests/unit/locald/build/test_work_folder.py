"""Folders of builds: of those that run, and of those that were killed."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from locald.build.work_folder import remove_abandoned, work_folder
from locald.paths import Paths
from oci.errors import ImageError
from oci.process import Command, CommandRunner, RunningCommand
from tests.support.fake_tools import FakeTools

RUNNER = CommandRunner()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "data"), "HOME": "/nowhere"})


BUILD = """
import sys
from pathlib import Path
from locald.build.work_folder import work_folder
from locald.paths import Paths
from oci.process import CommandRunner
paths = Paths.from_environment({"LOCALD_DATA_DIR": sys.argv[1], "HOME": "/nowhere"})
with work_folder(paths, CommandRunner()) as root:
    (root / "made").mkdir()
    print(root, flush=True)
    sys.stdin.read()
"""


def other_build(paths: Paths) -> tuple[RunningCommand, Path]:
    """A build in another process, and its folder."""
    running = RUNNER.start(Command(argv=(sys.executable, "-c", BUILD, str(paths.data_dir))))
    return running, Path(running.read_line())


def folders(paths: Paths) -> list[Path]:
    return list(paths.work.iterdir())


def test_a_folder_lasts_as_long_as_its_build(paths: Paths) -> None:
    with work_folder(paths, RUNNER) as root:
        (root / "deep/er").mkdir(parents=True)
        (root / "deep").chmod(0)
        assert root.parent == paths.work
    assert folders(paths) == []


def test_a_failed_build_s_folder_is_gone_and_its_error_is_told(paths: Paths) -> None:
    with pytest.raises(ImageError, match="mine"), work_folder(paths, RUNNER):
        raise ImageError("mine")
    assert folders(paths) == []


def test_the_folder_of_a_running_build_is_kept(paths: Paths) -> None:
    running, theirs = other_build(paths)
    with running, work_folder(paths, RUNNER) as mine:
        assert mine != theirs
        assert (theirs / "made").is_dir()
    assert not theirs.exists()


def test_the_folder_of_a_killed_build_is_removed_by_the_next(paths: Paths) -> None:
    running, theirs = other_build(paths)
    os.kill(running.pid, signal.SIGKILL)
    running.close()
    assert (theirs / "made").is_dir()
    with work_folder(paths, RUNNER):
        assert not theirs.exists()


def test_whatever_else_lies_there_is_removed_too(paths: Paths) -> None:
    work = paths.ensure(paths.work)
    (work / "file").touch()
    (work / "empty").mkdir()
    (work / "dangling").symlink_to("gone")
    (work / "link").symlink_to(work.parent)
    remove_abandoned(work, RUNNER)
    assert folders(paths) == []
    assert work.parent.is_dir()


def test_what_cannot_be_removed_stops_no_build(
    paths: Paths, fake_tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = paths.ensure(paths.work)
    fake_tools.install("unshare", exit_code=1, stderr="unshare: not here\n")
    monkeypatch.setattr("locald.build.work_folder.remove_tree", lambda _: False)
    (work / "stuck").mkdir()
    with work_folder(paths, RUNNER) as root:
        assert root.is_dir()
    assert (work / "stuck").is_dir()


def test_many_builds_at_once_do_not_take_each_other_s_folders(paths: Paths) -> None:
    failures: list[BaseException] = []

    def build() -> None:
        try:
            for _ in range(20):
                with work_folder(paths, RUNNER) as root:
                    (root / "file").write_text("mine")
                    assert (root / "file").read_text() == "mine"
        except BaseException as error:  # noqa: BLE001  (told by the test)
            failures.append(error)

    threads = [threading.Thread(target=build) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert folders(paths) == []
