"""How a container ends and what is left then, the same for every runtime."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    Mount,
    Network,
    Sandbox,
)
from oci.errors import ContainerError, Interrupted
from oci.process import Stream
from tests.support.containers import (
    REPOSITORY,
    exit_code,
    interrupt_at,
    mounts_below,
    output,
    shell,
    wait_until_gone,
)


@pytest.mark.parametrize("code", [0, 1, 2, 20, 51, 125, 126, 127, 255])
def test_exit_codes_pass_through(sandbox: Sandbox, spec: ContainerSpec, code: int) -> None:
    if code == 125 and sandbox.__class__.__name__ == "PodmanSandbox":
        pytest.skip("podman's own exit code is 125 too: the capability to tell them apart")
    assert exit_code(sandbox, shell(spec, f"exit {code}")) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_128_and_its_number(
    sandbox: Sandbox, spec: ContainerSpec, number: signal.Signals
) -> None:
    script = f"sh -c 'kill -{number.value} $$'"
    assert exit_code(sandbox, shell(spec, script + "; exit $?")) == 128 + number


def test_a_missing_program_is_the_runtimes_failure(sandbox: Sandbox, spec: ContainerSpec) -> None:
    with pytest.raises(ContainerError) as caught:
        exit_code(sandbox, replace(spec, argv=("/no/such/program",)))
    assert "/no/such/program" in " ".join(caught.value.details)


def test_output_comes_line_by_line_from_both_streams(sandbox: Sandbox, spec: ContainerSpec) -> None:
    seen: list[tuple[Stream, str, float]] = []
    script = "echo one; sleep 0.5; echo two >&2; sleep 0.5; printf three"
    code = sandbox.run(
        shell(spec, script), on_line=lambda s, line: seen.append((s, line, time.monotonic()))
    )
    assert code == 0
    assert [(stream, line) for stream, line, _ in seen] == [
        (Stream.STDOUT, "one"),
        (Stream.STDERR, "two"),
        (Stream.STDOUT, "three"),
    ]
    assert seen[1][2] - seen[0][2] > 0.3


def test_much_output_is_complete(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    assert output(sandbox, shell(spec, script)) == [f"line {n}" for n in range(20000)]


def test_an_interrupt_while_the_next_container_is_begun_is_no_other_failure(
    runtime: ContainerRuntime, spec: ContainerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if thread.name.startswith("prepare "):
            raise Interrupted(signal.SIGTERM)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    scratch = tmp_path / "interrupted"
    scratch.mkdir()

    def prepare() -> None:
        with runtime.open(scratch) as sandbox:
            sandbox.prepare(spec)
            raise Interrupted(signal.SIGTERM)  # of runtimes that prepare nothing

    with pytest.raises(Interrupted):
        prepare()


def test_an_interrupt_lets_the_container_end_in_its_grace_time(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    layers.mkdir()
    script = (
        "trap 'echo bye; touch /layers/stopped; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    )
    graceful = shell(
        replace(
            spec,
            mounts=(Mount(source=layers, target=PurePosixPath("/layers")),),
            stop_grace_seconds=8.0,
        ),
        script,
    )
    lines: list[str] = []
    started = time.monotonic()
    with pytest.raises(Interrupted):
        sandbox.run(graceful, on_line=lambda _, line: interrupt_at(line, "up", lines))
    assert time.monotonic() - started < 6
    assert (layers / "stopped").exists()
    assert lines[-1] == "bye"


def test_an_interrupt_without_grace_kills_at_once(sandbox: Sandbox, spec: ContainerSpec) -> None:
    number = f"{os.getpid()}.{time.monotonic_ns()}"
    stubborn = shell(spec, f"trap '' TERM; echo up; sleep {number}")
    started = time.monotonic()
    with pytest.raises(Interrupted):
        sandbox.run(stubborn, on_line=lambda _, line: interrupt_at(line, "up", []))
    wait_until_gone(number, seconds=2)
    assert time.monotonic() - started < 4
    output(sandbox, shell(spec, "true"))


def test_two_sandboxes_run_side_by_side(
    runtime: ContainerRuntime, spec: ContainerSpec, tmp_path: Path
) -> None:
    results: dict[int, list[str]] = {}

    def build(number: int) -> None:
        scratch = tmp_path / f"scratch{number}"
        scratch.mkdir()
        mine = replace(spec, name=f"{spec.name}-{number}", network=Network.PRIVATE)
        with runtime.open(scratch) as opened:
            results[number] = output(opened, shell(mine, f"echo {number}; sleep 0.5; ls /tmp"))

    threads = [threading.Thread(target=build, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: ["0"], 1: ["1"]}


def test_prepared_containers_are_like_others(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    layers.mkdir()
    mounts = (Mount(source=layers, target=PurePosixPath("/layers")),)
    networks = (Network.NONE, Network.PRIVATE, Network.NONE)
    specs = [
        shell(
            replace(spec, name=f"{spec.name}-{n}", mounts=mounts, network=network),
            f"ls /layers; echo {n} > /layers/{n}; exit {n}",
        )
        for n, network in enumerate(networks)
    ]
    unused = replace(spec, name=f"{spec.name}-unused")
    for each in (*specs, unused):
        sandbox.prepare(each)
    lines: list[str] = []
    codes = [sandbox.run(each, on_line=lambda _, line: lines.append(line)) for each in specs]
    assert codes == [0, 1, 2]
    assert lines == ["0", "0", "1"]
    output(sandbox, shell(spec, "echo another"))


@pytest.mark.parametrize("network", [Network.NONE, Network.PRIVATE])
def test_sigkill_of_locald_leaves_no_process_and_no_mount(
    runtime: ContainerRuntime, rootfs: Path, tmp_path: Path, network: Network
) -> None:
    number = f"{os.getpid()}.{time.monotonic_ns()}"
    scratch = tmp_path / f"killed-{number.replace('.', '-')}"
    argv = (
        *(sys.executable, "-m", "tests.support.run_container", runtime.name, rootfs, scratch),
        *(network, "/bin/sh", "-c", f"echo up; sleep {number}"),
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # every child inherits it, and is known by it
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until_gone(number, seconds=2)
    wait_until_gone(f"TMPDIR={tmp_path}", seconds=10, file="environ")
    deadline = time.monotonic() + 2
    while (left := mounts_below(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_bubblewrap_works_inside_a_plain_container(roots: dict[bool, Path], tmp_path: Path) -> None:
    """As in one: root of a user namespace, /proc masked, and a root that is an overlay."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    script = (
        "mount --bind /dev/null /proc/timer_list && "
        "mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work o merged && "
        'exec "$@"'
    )
    argv = (
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"),
        *("env", f"PYTHONPATH={REPOSITORY}"),
        *(sys.executable, "-m", "tests.support.run_container", "bwrap", str(roots[True])),
        *(str(tmp_path / "merged/scratch"), "none", "/bin/sh", "-c"),
        "id -u; cat /proc/self/status | grep ^Seccomp:; touch /workspace/x; ls /workspace; mount",
    )
    result = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[:3] == ["1000", "Seccomp:\t2", "x"]
