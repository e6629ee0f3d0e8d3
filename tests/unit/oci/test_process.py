"""The one runner, with real children."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from oci.errors import BusyError, CommandError, HostError, Interrupted, StorageError
from oci.process import Command, CommandRunner, Stream
from tests.support.waiting import process_runs, wait_until


def sh(script: str, *arguments: str, timeout: float | None = 60.0, grace: float = 10.0) -> Command:
    return Command(
        argv=("sh", "-c", script, "sh", *arguments),
        timeout_seconds=timeout,
        stop_grace_seconds=grace,
    )


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


def test_stdout_is_kept_byte_for_byte_without_a_sink(runner: CommandRunner) -> None:
    result = runner.run(sh(r"printf 'a\000b\r\n\377'; echo warning >&2"))
    assert result.stdout == b"a\x00b\r\n\xff"
    assert result.text == "a\x00b\r\n\N{REPLACEMENT CHARACTER}"
    assert result.stderr_tail == ("warning",)
    assert result.exit_code == 0


def test_lines_are_streamed_while_the_child_runs(runner: CommandRunner, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    seen: list[tuple[Stream, str]] = []

    def receive(stream: Stream, line: str) -> None:
        seen.append((stream, line))
        if line == "first":
            gate.write_text("go\n")  # the child waits for this: a sink called late would hang

    result = runner.run(
        sh('echo first; read word <"$1"; echo "$word"; echo end >&2', str(gate)), on_line=receive
    )
    assert seen[:2] == [(Stream.STDOUT, "first"), (Stream.STDOUT, "go")]
    assert (Stream.STDERR, "end") in seen
    assert result.stdout == b""


def test_more_output_than_pipes_hold_on_both_streams(runner: CommandRunner) -> None:
    result = runner.run(
        sh("head -c 300000 /dev/zero >&2 & head -c 300000 /dev/zero; wait; echo; echo end >&2")
    )
    assert len(result.stdout) == 300_001
    assert result.stderr_tail[-1].endswith("end")


def test_a_failure_carries_the_child_s_last_words_and_the_command(runner: CommandRunner) -> None:
    with pytest.raises(CommandError) as caught:
        runner.run(sh("for i in $(seq 100); do echo line $i >&2; done; exit 3"))
    error = caught.value
    assert error.message == "`sh` failed (exit code 3)"
    assert error.command_exit_code == 3
    assert error.details == tuple(f"line {n}" for n in range(61, 101))
    assert error.hint.startswith("the command was: sh -c 'for i in")


def test_without_check_the_exit_code_is_a_result(runner: CommandRunner) -> None:
    assert runner.run(sh("exit 3"), check=False).exit_code == 3


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGRTMIN + 1, "killed by signal 35")],
)
def test_a_killed_child_is_named_with_its_signal(
    runner: CommandRunner, number: int, words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        runner.run(sh('kill -"$1" $$', str(int(number))))


def test_input_is_handed_over_and_ends(runner: CommandRunner) -> None:
    assert runner.run(Command(argv=("cat",), stdin=b"hello")).stdout == b"hello"


def test_without_input_the_child_reads_nothing(runner: CommandRunner) -> None:
    assert runner.run(Command(argv=("cat",), timeout_seconds=60)).stdout == b""


def test_a_child_that_does_not_read_its_input_is_no_error(runner: CommandRunner) -> None:
    result = runner.run(Command(argv=("true",), stdin=b"x" * 1000))
    assert result.exit_code == 0


def test_a_missing_tool_is_named_with_its_package(runner: CommandRunner, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="`no-such-tool` is not installed"):
        runner.run(Command(argv=("no-such-tool",)))
    with pytest.raises(HostError) as caught:
        runner.run(Command(argv=("newuidmap",), env={"PATH": str(tmp_path)}))
    assert caught.value.hint.endswith("apt install uidmap")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may search every folder")
def test_a_folder_of_path_that_may_not_be_searched_hides_nothing(
    runner: CommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    monkeypatch.setenv("PATH", f"{closed}:{os.environ['PATH']}")
    with pytest.raises(HostError, match="is not installed"):
        runner.run(Command(argv=("no-such-tool",)))


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"\x7fELF, but not really", 0o755, "cannot be started: Exec format error"),
        (b"#!/bin/sh\n", 0o644, "may not be executed: Permission denied"),
    ],
)
def test_what_cannot_be_executed_is_the_host_s_fault(
    runner: CommandRunner, tmp_path: Path, content: bytes, mode: int, words: str
) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(content)
    tool.chmod(mode)
    with pytest.raises(HostError, match=words):
        runner.run(Command(argv=(str(tool),)))


def test_a_missing_folder_to_run_in_is_named(runner: CommandRunner, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no such folder: .*/gone"):
        runner.run(Command(argv=("true",), cwd=tmp_path / "gone"))


def test_a_child_runs_in_its_folder(runner: CommandRunner, tmp_path: Path) -> None:
    assert runner.run(Command(argv=("pwd",), cwd=tmp_path)).text.strip() == str(tmp_path)


def test_only_the_allowed_environment_reaches_a_child(
    runner: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "LD_PRELOAD", "GIT_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    result = runner.run(Command(argv=("env", "-0"), env={"EXTRA": "1", "LC_TIME": "POSIX"}))
    names = dict(entry.split("=", 1) for entry in result.text.split("\0") if entry)
    assert names["EXTRA"] == "1"
    assert names["LC_TIME"] == "POSIX"
    assert names["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert {"PATH", "HOME"} <= names.keys()
    assert not names.keys() & {
        "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "LD_PRELOAD", "GIT_DIR", "PYTHONPATH",
    }  # fmt: skip


def test_no_file_of_ours_is_open_in_a_child(runner: CommandRunner, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        listing = runner.run(Command(argv=("ls", "-l", "/proc/self/fd")))
    assert "secret" not in listing.text


@pytest.mark.parametrize(
    "script",
    ["sleep 60", "exec >&- 2>&-; sleep 60", "trap '' TERM; sleep 60"],
    ids=["ordinary", "outputs closed early", "deaf to SIGTERM"],
)
def test_time_that_runs_out_ends_the_child(runner: CommandRunner, script: str) -> None:
    started = time.monotonic()
    with pytest.raises(BusyError, match=r"`sh` did not finish within 0\.2 s"):
        runner.run(sh(script, timeout=0.2, grace=0.2))
    assert time.monotonic() - started < 20


def test_an_interruption_stops_the_whole_group_and_what_it_says_is_heard(
    runner: CommandRunner,
) -> None:
    lines: list[str] = []
    script = """
        sleep 300 & echo $!
        sh -c 'trap "echo bye; exit" TERM; echo ready; while :; do sleep 0.01; done'
    """

    def receive(_: Stream, line: str) -> None:
        lines.append(line)
        if line == "ready":
            raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        runner.run(sh(script), on_line=receive)
    assert lines[-1] == "bye"
    assert wait_until(lambda: not process_runs(int(lines[0])))


def test_a_child_may_end_slowly_after_it_closed_its_outputs(
    runner: CommandRunner, tmp_path: Path
) -> None:
    script = """
        trap 'exec >&- 2>&-; sleep 0.3; echo whole >"$1"; exit' TERM
        echo ready; while :; do sleep 0.01; done
    """

    def receive(_: Stream, line: str) -> None:
        if line == "ready":
            raise Interrupted(signal.SIGTERM)

    with pytest.raises(Interrupted):
        runner.run(sh(script, str(tmp_path / "cleaned")), on_line=receive)
    assert (tmp_path / "cleaned").read_text() == "whole\n"


def test_a_child_deaf_to_sigterm_is_killed_after_the_grace_time(runner: CommandRunner) -> None:
    pids: list[int] = []

    def receive(_: Stream, line: str) -> None:
        pids.append(int(line))
        raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        runner.run(
            sh("trap '' TERM; echo $$; while :; do sleep 0.05; done", grace=0.2), on_line=receive
        )
    assert wait_until(lambda: not process_runs(pids[0]))


def test_another_way_to_ask_takes_the_place_of_sigterm(
    runner: CommandRunner, tmp_path: Path
) -> None:
    door = tmp_path / "door"
    os.mkfifo(door)
    started = runner.begin(sh('trap "" TERM; echo ready; read word <"$1"; echo $word', str(door)))
    lines: list[str] = []

    def receive(_: Stream, line: str) -> None:
        lines.append(line)
        if line == "ready":
            raise Interrupted(signal.SIGINT)

    def ask() -> None:
        door.write_text("please\n")

    with pytest.raises(Interrupted):
        started.finish(on_line=receive, ask_to_stop=ask)
    assert lines == ["ready", "please"]


def test_an_abandoned_child_is_gone(runner: CommandRunner, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = """trap "" TERM; echo $$ >"$1.new"; mv "$1.new" "$1"; sleep 300"""
    started = runner.begin(sh(script, str(note)))
    assert wait_until(note.exists)
    started.abandon()
    assert not process_runs(int(note.read_text()))


def test_a_child_beside_us_ends_with_its_lifeline(runner: CommandRunner) -> None:
    with runner.start(sh("echo ready; echo note >&2; exec cat >/dev/null")) as child:
        assert child.read_line() == "ready"
        assert child.running()
        pid = child.pid
    assert not process_runs(pid)
    assert child.stderr_tail == ("note",)


def test_a_child_beside_us_that_ended_says_so(runner: CommandRunner) -> None:
    with runner.start(sh("echo broken >&2; exit 1")) as child:
        assert child.read_line() == ""
        assert wait_until(lambda: not child.running())
        assert wait_until(lambda: child.stderr_tail == ("broken",))


def test_a_child_beside_us_that_ignores_its_lifeline_is_stopped(runner: CommandRunner) -> None:
    child = runner.start(sh("echo ready; exec sleep 300"))
    child.read_line()
    child.close()
    assert not process_runs(child.pid)


def test_a_stranger_that_holds_the_pipes_does_not_hold_us(runner: CommandRunner) -> None:
    child = runner.start(sh("setsid sleep 300 & echo $!; exec cat >/dev/null"))
    stranger = int(child.read_line())
    closer = threading.Thread(target=child.close, daemon=True)
    closer.start()
    closer.join(timeout=20)
    os.kill(stranger, signal.SIGKILL)
    assert not closer.is_alive()


PARENT = """
import sys, threading, time
from oci.process import Command, CommandRunner
runner = CommandRunner()
"""


def test_a_child_beside_us_ends_when_we_are_killed(runner: CommandRunner) -> None:
    script = PARENT + (
        "child = runner.start(Command(argv=('sh', '-c', 'echo ready; exec cat >/dev/null')))\n"
        "child.read_line()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    parent = runner.start(Command(argv=(sys.executable, "-c", script)))
    pid = int(parent.read_line())
    assert process_runs(pid)
    os.kill(parent.pid, signal.SIGKILL)
    assert wait_until(lambda: not process_runs(pid))
    parent.close()


def test_a_child_that_a_thread_awaits_ends_with_us(runner: CommandRunner) -> None:
    script = PARENT + (
        "command = Command(argv=('sh', '-c', 'echo $$; exec sleep 300'))\n"
        "show = lambda _, line: print(line, flush=True)\n"
        "work = lambda: runner.run(command, on_line=show)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "sys.stdin.read()\n"
    )
    parent = runner.start(Command(argv=(sys.executable, "-c", script)))
    pid = int(parent.read_line())
    assert process_runs(pid)
    parent.close()
    assert wait_until(lambda: not process_runs(pid))


def test_what_a_watch_raises_stops_the_command() -> None:
    started = time.monotonic()

    def watch() -> None:
        if time.monotonic() - started > 0.1:
            raise StorageError("enough")

    with pytest.raises(StorageError, match="enough"):
        CommandRunner().run(Command(argv=("sleep", "60"), watch=watch))
    assert time.monotonic() - started < 30


def test_a_watch_that_is_content_lets_the_command_end() -> None:
    seen: list[float] = []
    result = CommandRunner().run(
        Command(argv=("sh", "-c", "sleep 0.1; echo done"), watch=lambda: seen.append(0))
    )
    assert result.text == "done\n"
    assert seen
