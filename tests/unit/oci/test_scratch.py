"""Scratch folders: of processes that run, and of those that were killed."""

import os
import signal
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from oci.errors import ImageError, Interrupted
from oci.locks import exclusive
from oci.process import Command, CommandRunner, RunningCommand
from oci.removal import remove_tree
from oci.scratch import remove_abandoned, scratch_folder
from tests.support.fake_tools import FakeTools

RUNNER = CommandRunner()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


BUILD = """
import sys
from pathlib import Path
from oci.process import CommandRunner
from oci.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), CommandRunner()) as root:
    (root / "made").mkdir()
    print(root, flush=True)
    sys.stdin.read()
"""


def other_build(work: Path) -> tuple[RunningCommand, Path]:
    """A build in another process, and its folder."""
    running = RUNNER.start(Command(argv=(sys.executable, "-c", BUILD, str(work))))
    return running, Path(running.read_line())


def folders(work: Path) -> list[Path]:
    return list(work.iterdir())


def test_a_signal_while_the_folder_goes_lets_it_go(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removals = []

    def interrupted_once(folder: Path) -> bool:
        removals.append(folder)
        if len(removals) == 1:
            raise Interrupted(signal.SIGHUP)
        return remove_tree(folder)

    monkeypatch.setattr("oci.scratch.remove_tree", interrupted_once)
    with pytest.raises(Interrupted), scratch_folder(work, RUNNER):
        pass
    assert not folders(work)


def test_a_signal_right_after_its_making_leaves_no_folder(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = exclusive

    def interrupted(path: Path, **options: Any) -> AbstractContextManager[None]:
        if path.parent.parent == work:
            raise Interrupted(signal.SIGHUP)
        return real(path, **options)

    monkeypatch.setattr("oci.scratch.exclusive", interrupted)
    with pytest.raises(Interrupted), scratch_folder(work, RUNNER):
        pass
    assert folders(work) == []


def test_a_folder_lasts_as_long_as_its_build(work: Path) -> None:
    with scratch_folder(work, RUNNER) as root:
        (root / "deep/er").mkdir(parents=True)
        (root / "deep").chmod(0)
        assert root.parent == work
    assert folders(work) == []


def test_a_failed_build_s_folder_is_gone_and_its_error_is_told(work: Path) -> None:
    with pytest.raises(ImageError, match="mine"), scratch_folder(work, RUNNER):
        raise ImageError("mine")
    assert folders(work) == []


def test_the_folder_of_a_running_build_is_kept(work: Path) -> None:
    running, theirs = other_build(work)
    with running, scratch_folder(work, RUNNER) as mine:
        assert mine != theirs
        assert (theirs / "made").is_dir()
    assert not theirs.exists()


def test_the_folder_of_a_killed_build_is_removed_by_the_next(work: Path) -> None:
    running, theirs = other_build(work)
    os.kill(running.pid, signal.SIGKILL)
    running.close()
    assert (theirs / "made").is_dir()
    with scratch_folder(work, RUNNER):
        assert not theirs.exists()


def test_whatever_else_lies_there_is_removed_too(work: Path) -> None:
    (work / "file").touch()
    (work / "empty").mkdir()
    (work / "dangling").symlink_to("gone")
    (work / "link").symlink_to(work.parent)
    remove_abandoned(work, RUNNER)
    assert folders(work) == []
    assert work.parent.is_dir()


def test_what_cannot_be_removed_stops_no_build(
    work: Path, fake_tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools.install("unshare", exit_code=1, stderr="unshare: not here\n")
    monkeypatch.setattr("oci.scratch.remove_tree", lambda _: False)
    (work / "stuck").mkdir()
    with scratch_folder(work, RUNNER) as root:
        assert root.is_dir()
    assert (work / "stuck").is_dir()


def test_many_builds_at_once_do_not_take_each_other_s_folders(work: Path) -> None:
    failures: list[BaseException] = []

    def build() -> None:
        try:
            for _ in range(20):
                with scratch_folder(work, RUNNER) as root:
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
    assert folders(work) == []
