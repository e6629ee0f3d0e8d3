"""Folders that are only in memory, the same for every runtime."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    MemoryFolder,
    Mount,
    Sandbox,
)
from tests.support.containers import (
    REPOSITORY,
    mounts_below,
    output,
    shell,
    wait_until_gone,
)

SECRETS = PurePosixPath("/run/secrets")
VALUE = b"only in \x00 memory \xff" + b"x" * 100_000


def with_secrets(spec: ContainerSpec, script: str) -> ContainerSpec:
    memory = (MemoryFolder(target=SECRETS, files={"one": VALUE, "t.w-o": b"2"}),)
    return replace(shell(spec, script), memory=memory)


def files_on_disk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder, onerror=lambda _: None):
        for name in names:
            path = Path(root, name)
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def test_the_files_are_the_users_alone_and_on_a_tmpfs(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    script = (
        f"cd {SECRETS}; ls; stat -c '%a %u:%g %s' one t.w-o; cat t.w-o; echo; "
        "stat -f -c %T .; touch new 2>/dev/null || echo read-only; "
        "rm -f one 2>/dev/null || echo kept; chmod 777 one 2>/dev/null || echo stays"
    )
    assert output(sandbox, with_secrets(spec, script)) == [
        "one",
        "t.w-o",
        f"400 1000:1000 {len(VALUE)}",
        "400 1000:1000 1",
        "2",
        "tmpfs",
        "read-only",
        "kept",
        "stays",
    ]


def test_other_containers_see_nothing_of_them(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    asked = with_secrets(spec, "cat /run/secrets/t.w-o; echo")
    asked = replace(asked, name=f"{asked.name}-asked")
    for each in (plain := shell(spec, "ls -A /run/secrets 2>/dev/null; echo"), asked):
        sandbox.prepare(each)
    assert output(sandbox, plain) == [""]
    assert output(sandbox, asked) == ["2"]
    named = replace(plain, name=f"{plain.name}-after")
    assert output(sandbox, named) == [""]


def test_the_disk_and_the_host_have_nothing_of_them(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    (tmp_path / "layers").mkdir()
    mounts = (Mount(source=tmp_path / "layers", target=PurePosixPath("/layers")),)
    script = "echo up; until test -e /layers/go; do sleep 0.05; done"
    held = replace(with_secrets(spec, script), mounts=mounts)
    found: list[Path] = []

    def look(_: object, line: str) -> None:
        if line == "up":
            found.extend(p for p in files_on_disk(tmp_path) if b"only in" in p.read_bytes())
            found.extend(
                p
                for p in Path("/proc").glob("[0-9]*/cmdline")
                if os.access(p, os.R_OK) and b"only in" in p.read_bytes()
            )
            (tmp_path / "layers/go").touch()

    assert sandbox.run(held, on_line=look) == 0
    assert found == []
    assert "only in" not in repr(held)


def test_sigkill_of_locald_leaves_nothing_of_them(
    runtime: ContainerRuntime, rootfs: Path, tmp_path: Path
) -> None:
    number = f"{os.getpid()}.{time.monotonic_ns()}"
    scratch = tmp_path / f"killed-{number.replace('.', '-')}"
    argv = (
        *(sys.executable, "-m", "tests.support.run_container", runtime.name, rootfs, scratch),
        *("none", "/bin/sh", "-c", f"cat /run/secrets/word; echo; sleep {number}"),
    )
    env = {**os.environ, "TMPDIR": str(tmp_path), "MEMORY_WORD": "only in memory"}
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY, env=env)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert first == b"only in memory\n"
    wait_until_gone(number, seconds=2)
    wait_until_gone(f"TMPDIR={tmp_path}", seconds=10, file="environ")
    deadline = time.monotonic() + 2
    while (left := mounts_below(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert [p for p in files_on_disk(tmp_path) if b"only in" in p.read_bytes()] == []


def test_two_containers_after_each_other_get_their_own(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    for number in range(2):
        memory = (MemoryFolder(target=SECRETS, files={"n": str(number).encode()}),)
        named = replace(spec, name=f"{spec.name}-{number}", memory=memory)
        assert output(sandbox, shell(named, "cat /run/secrets/n; echo")) == [str(number)]


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Modes must not depend on it."""
    before = os.umask(0o077)
    yield
    os.umask(before)
