"""A build that is interrupted, or killed, or shares the machine: nothing is left, nothing lost."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.phase import Phase
from lifecycle.runtime.spec import RuntimeName
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.cli import Finished, Running
from tests.support.e2e import Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until

# How long a build may take to be gone.
GONE_SECONDS = 5.0
HELD = frozenset({Phase.DETECT, Phase.BUILD})


@pytest.fixture
def buildpack(tmp_path: Path) -> BuildpackFolder:
    return BuildpackFolder.make(tmp_path / "buildpack")


def reach(build: Running, phase: Phase, mine: Callable[[], set[Path]]) -> None:
    """Wait until the build is in that phase; detect and build are held there.

    mine: the work folders of this build.
    """
    build.wait_for_event("phase-started", phase=str(phase))
    if phase in HELD:
        script = f"/bin/{phase}"  # the lifecycle shows a detection's output at its end only
        running = wait_until(
            lambda: any(script in line for line in processes_of(build.pid, *mine()).values()),
            seconds=60,
        )
        assert running, build.stderr


def interrupt(
    installation: Installation,
    app: Path,
    buildpack: BuildpackFolder,
    phase: Phase,
    number: signal.Signals,
    *flags: str,
) -> tuple[Finished, frozenset[Path]]:
    """Start a build, send a signal in a phase; no process of the build may live on.

    Returns its work folders, too: gone already, but after SIGKILL.
    """
    if phase in HELD:
        buildpack.hold(str(phase))
    work = installation.paths.ensure(installation.paths.work)
    before = set(work.iterdir())
    with installation.start_build(app, *flags, buildpack=buildpack) as build:
        reach(build, phase, lambda: set(work.iterdir()) - before)
        folders = {path for path in set(work.iterdir()) - before if uses(build, path)}
        assert folders
        session = build.pid
        build.send(number)
        finished = build.finish(seconds=60)
    gone = wait_until(lambda: not processes_of(session, *folders), seconds=GONE_SECONDS)
    assert gone, processes_of(session, *folders)
    if number is not signal.SIGKILL:
        assert not {path for path in folders if path.exists()}, "temporary files"
    buildpack.release()
    return finished, frozenset(folders)


def uses(build: Running, folder: Path) -> bool:
    """Is this the work folder of the build, not of another one of this machine?"""
    lock = (folder / "lock").resolve()
    descriptors = Path(f"/proc/{build.pid}/fd")
    try:
        return any(descriptor.readlink() == lock for descriptor in descriptors.iterdir())
    except OSError:
        return False


def assert_as_good_as_new(
    installation: Installation,
    app: Path,
    buildpack: BuildpackFolder,
    digest: str,
    *flags: str,
    folders: frozenset[Path],
) -> None:
    """The next build gives the same image, and removes what was left."""
    assert installation.build(app, *flags, buildpack=buildpack).digest == digest
    assert {path for path in folders if path.exists()} == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("phase", list(Phase))
def test_a_signal_in_a_phase(
    installation: Installation,
    app: Path,
    buildpack: BuildpackFolder,
    phase: Phase,
    number: signal.Signals,
) -> None:
    digest = installation.build(app, buildpack=buildpack).digest
    before = installation.image(app)
    finished, folders = interrupt(installation, app, buildpack, phase, number)
    assert finished.code == 128 + number
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert installation.image(app) == before
    assert_as_good_as_new(installation, app, buildpack, digest, folders=folders)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_other_signals(
    installation: Installation, app: Path, buildpack: BuildpackFolder, number: signal.Signals
) -> None:
    finished, _ = interrupt(installation, app, buildpack, Phase.BUILD, number)
    assert finished.code == 128 + number
    assert [event["message"] for event in finished.events if event["event"] == "error"] == [
        f"interrupted by {number.name}"
    ]


@pytest.mark.parametrize("runtime", [RuntimeName.PODMAN, RuntimeName.BUBBLEWRAP])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_the_other_runtimes_leave_nothing_either(
    installation: Installation,
    app: Path,
    buildpack: BuildpackFolder,
    runtime: RuntimeName,
    number: signal.Signals,
) -> None:
    flags = ("--runtime", str(runtime))
    finished, folders = interrupt(installation, app, buildpack, Phase.BUILD, number, *flags)
    assert finished.code == 128 + number
    digest = installation.build(app, buildpack=buildpack).digest
    assert_as_good_as_new(installation, app, buildpack, digest, *flags, folders=folders)


def test_a_build_that_ignores_signals_ends_all_the_same(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    deaf = "trap '' TERM INT HUP; echo deaf; while true; do sleep 0.1; done"
    buildpack = BuildpackFolder.make(tmp_path / "deaf", build=deaf)
    with installation.start_build(app, buildpack=buildpack) as build:
        build.wait_for_event("line", text="deaf")
        build.send(signal.SIGINT)
        assert build.finish(seconds=GONE_SECONDS * 4).code == 130
        assert wait_until(lambda: not processes_of(build.pid), seconds=GONE_SECONDS)


def test_ctrl_c_twice_ends_at_once(
    installation: Installation, app: Path, buildpack: BuildpackFolder
) -> None:
    buildpack.hold("build")
    with installation.start_build(app, buildpack=buildpack) as build:
        build.wait_for_event("line", text="holding build", seconds=60)
        build.send(signal.SIGINT)
        if build.running():
            build.send(signal.SIGINT)
        assert build.finish(seconds=30).code == 130
        assert wait_until(lambda: not processes_of(build.pid), seconds=GONE_SECONDS)
    buildpack.release()
    installation.build(app, buildpack=buildpack)


def test_the_whole_group_is_interrupted_as_a_terminal_does_it(
    installation: Installation, app: Path, buildpack: BuildpackFolder
) -> None:
    buildpack.hold("build")
    with installation.start_build(app, buildpack=buildpack) as build:
        build.wait_for_event("line", text="holding build", seconds=60)
        os.killpg(build.pid, signal.SIGINT)
        assert build.finish(seconds=30).code == 130
        assert wait_until(lambda: not processes_of(build.pid), seconds=GONE_SECONDS)


def test_a_stopped_build_goes_on(
    installation: Installation, app: Path, buildpack: BuildpackFolder
) -> None:
    with installation.start_build(app, buildpack=buildpack) as build:
        build.wait_for_event("phase-started", phase="detect")
        build.send(signal.SIGSTOP)
        time.sleep(1.0)
        build.send(signal.SIGCONT)
        assert build.finish().code == 0


def test_buildpacks_leave_no_process_behind(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    stray = "(setsid sleep 600 >/dev/null 2>&1 &)\nsetsid --fork sleep 600 >/dev/null 2>&1\n"
    buildpack = BuildpackFolder.make(tmp_path / "stray", build=stray)
    with installation.start_build(app, buildpack=buildpack) as build:
        session = build.pid
        assert build.finish(seconds=120).code == 0
    assert wait_until(lambda: not processes_of(session), seconds=GONE_SECONDS)
    sleepers = [
        line for line in processes_of(-1, installation.paths.work).values() if "600" in line
    ]
    assert sleepers == []


def test_a_second_build_of_the_project_waits_and_says_so(
    installation: Installation, app: Path, buildpack: BuildpackFolder
) -> None:
    buildpack.hold("build")
    with installation.start_build(app, buildpack=buildpack) as first:
        first.wait_for_event("line", text="holding build", seconds=60)
        with installation.start_build(app, buildpack=buildpack) as second:
            note = second.wait_for_line("waiting: ")
            assert app.name in note
            buildpack.release()
            one, other = first.finish(), second.finish()
    assert (one.code, other.code) == (0, 0)
    assert one.digest == other.digest


def test_builds_of_different_projects_run_side_by_side(
    installation: Installation, app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    other = app.with_name(f"{app.name}-other")
    other.mkdir()
    (other / "index.html").write_text("x")
    buildpack.hold("build")
    with installation.start_build(app, buildpack=buildpack) as held:
        held.wait_for_event("line", text="holding build")
        installation.build(other)  # ends while the first is held
        buildpack.release()
        assert held.finish().code == 0


def test_one_who_waits_can_be_interrupted(
    installation: Installation, app: Path, buildpack: BuildpackFolder
) -> None:
    buildpack.hold("build")
    with installation.start_build(app, buildpack=buildpack) as first:
        first.wait_for_event("line", text="holding build", seconds=60)
        with installation.start_build(app, buildpack=buildpack) as second:
            second.wait_for_line("waiting: ")
            second.send(signal.SIGINT)
            assert second.finish(seconds=30).code == 130
        buildpack.release()
        assert first.finish().code == 0
