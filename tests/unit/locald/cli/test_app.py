"""`main`: the one place that turns an error into text and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from lifecycle.errors import PhaseError
from lifecycle.phase import Phase
from locald.cli import app as module
from oci.errors import (
    BusyError,
    CommandError,
    ContainerError,
    Error,
    HostError,
    ImageError,
    RegistryError,
    StorageError,
    UsageError,
)
from oci.process import Command, CommandRunner

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Folders of this test's own, and the signals as they were."""
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """`main` with a single command, which does what the test says."""

    def run_command(command: Callable[[], object]) -> int:
        replaced = typer.Typer()
        replaced.command()(lambda: command())
        monkeypatch.setattr(module, "app", replaced)
        monkeypatch.setattr(module, "_COMMANDS", {})
        return module.main([])

    return run_command


Run = Callable[[Callable[[], object]], int]


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (HostError("wrong"), 3),
        (ImageError("wrong"), 4),
        (RegistryError("wrong"), 4),
        (ContainerError("wrong"), 5),
        (CommandError("wrong", command_exit_code=9), 5),
        (StorageError("wrong"), 6),
        (BusyError("wrong"), 7),
        (PhaseError(Phase.DETECT, 20, subject="wrong"), 20),
        (PhaseError(Phase.BUILD, 51, subject="wrong"), 51),
        (PhaseError(Phase.BUILD, 137, subject="wrong"), 5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Error) else str(value),
)
def test_every_error_ends_with_its_code_and_one_message(
    run: Run, capsys: pytest.CaptureFixture[str], error: Error, code: int
) -> None:
    assert run(raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "wrong" in err
    assert "Traceback" not in err


def test_success_is_zero_and_a_command_may_choose_its_code(run: Run) -> None:
    assert run(lambda: None) == 0
    assert run(lambda: 17) == 17
    assert run(raising(typer.Exit(3))) == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EIO])
def test_a_disk_error_names_the_file(
    run: Run, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert run(raising(OSError(number, os.strerror(number), "/some/file"))) == 6
    err = capsys.readouterr().err
    assert f"{os.strerror(number)} (/some/file)" in err
    assert ("free some space" in err) is (number in (errno.ENOSPC, errno.EDQUOT))


def test_a_bug_leaves_a_crash_log_and_says_where(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(raising(ZeroDivisionError("odd \udcff"))) == 1
    (log,) = (tmp_path / "data").rglob("crash-*.log")
    err = capsys.readouterr().err
    assert "this is a bug in locald: ZeroDivisionError" in err
    assert str(log) in err
    assert "Traceback" not in err
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "ZeroDivisionError: odd" in text


def test_a_bug_without_a_place_for_its_log_is_told_all_the_same(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").touch()  # in the way of the folder
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(raising(ZeroDivisionError())) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_as_shells_report_it(
    run: Run, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    cleaned: list[str] = []

    def command() -> None:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            cleaned.append("up")

    assert run(command) == 128 + number
    assert cleaned == ["up"]
    assert capsys.readouterr().err == f"error: interrupted by {number.name}\n"


def test_a_keyboard_interrupt_is_130(run: Run) -> None:
    assert run(raising(KeyboardInterrupt())) == 130


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(run: Run) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def command() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 5

    assert run(command) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["no-such-command"], "no-such-command"),
        (["build", "--no-such-option"], "--no-such-option"),
        (["build", "--progress", "loud"], "loud"),
        (["build", "a", "b"], "b"),
    ],
)
def test_a_wrong_command_line_is_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert module.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert words in err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = module.main([])
    out, err = capsys.readouterr()
    assert "Commands" in out + err
    assert "error:" not in out + err
    assert code in (0, 2)


def test_the_version_is_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--version"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("locald ")
    assert err == ""


PROGRAM = """
import sys
import typer
from locald.cli import app as module
from oci.errors import ImageError
from locald.cli.state import State
module.app = typer.Typer()
module._COMMANDS = {}
def command() -> None:
    sys.stdin.read()
    if sys.argv[1] == "result":
        for _ in range(10000):
            State.current().console.result("x" * 100)
    elif sys.argv[1] == "bug":
        raise ZeroDivisionError
    raise ImageError("it failed")
module.app.command()(command)
raise SystemExit(module.main([]))
"""


@pytest.mark.parametrize(
    ("what", "closed", "code"), [("result", 1, 141), ("error", 2, 4), ("bug", 2, 1)]
)
def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(
    what: str, closed: int, code: int
) -> None:
    """The output is a pipe whose other end is closed before anything is written."""
    script = (
        f'mkfifo "$0/pipe"; exec 3<>"$0/pipe"; exec 4>"$0/pipe"; exec 3>&-; '
        f'"$1" -c "$2" {what} {closed}>&4 4>&-'
    )
    folder = os.environ["LOCALD_DATA_DIR"]
    Path(folder).mkdir()
    command = Command(
        argv=("bash", "-c", script, folder, sys.executable, PROGRAM),
        env={"LOCALD_DATA_DIR": folder},
        stdin=b"",
        timeout_seconds=60,
    )
    result = CommandRunner().run(command, check=False)
    assert result.exit_code == code
    assert "Traceback" not in result.text + "\n".join(result.stderr_tail)


@pytest.mark.parametrize(("before", "after"), [(0o777, 0o077), (0o022, 0o022), (0, 0)])
def test_a_umask_leaves_the_owner_what_is_made(before: int, after: int) -> None:
    old = os.umask(before)
    try:
        module.main(["--version"])
        found = os.umask(0o022)
    finally:
        os.umask(old)
    assert found == after
