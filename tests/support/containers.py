"""Questions to a sandbox, and to this host about what a sandbox left."""

import hashlib
import os
import signal
import stat
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lifecycle.runtime.spec import (
    ContainerSpec,
    Sandbox,
)
from oci.errors import Interrupted
from oci.process import Stream

REPOSITORY = Path(__file__).parents[2]
WORKSPACE = PurePosixPath("/workspace")
# What some runtimes add to the environment on their own; nothing in it is the host's.
ADDED_BY_RUNTIMES = {"HOSTNAME", "PWD"}

TreeState = dict[str, tuple[int, int, int, str]]


def shell(spec: ContainerSpec, script: str) -> ContainerSpec:
    return replace(spec, argv=("/bin/sh", "-c", script))


def output(sandbox: Sandbox, spec: ContainerSpec) -> list[str]:
    """Standard output's lines of a container that must succeed."""
    lines: list[tuple[Stream, str]] = []
    code = sandbox.run(spec, on_line=lambda stream, line: lines.append((stream, line)))
    assert code == 0, lines
    return [line for stream, line in lines if stream is Stream.STDOUT]


def exit_code(sandbox: Sandbox, spec: ContainerSpec) -> int:
    return sandbox.run(spec, on_line=lambda *_: None)


def tree_state(folder: Path) -> TreeState:
    state: TreeState = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        content = path.read_bytes() if kind == stat.S_IFREG else b""
        link = os.fsencode(path.readlink()) if kind == stat.S_IFLNK else b""
        digest = hashlib.sha256(content + link).hexdigest()
        state[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, digest)
    return state


def interrupt_at(line: str, at: str, lines: list[str]) -> None:
    lines.append(line)
    if line == at:
        raise Interrupted(signal.SIGTERM)


def wait_until_gone(word: str, *, seconds: float, file: str = "cmdline") -> None:
    """Wait for the end of all processes that have a word in that file of theirs in /proc."""
    deadline = time.monotonic() + seconds
    while left := processes_with(word, file):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def processes_with(word: str, file: str) -> list[str]:
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def mounts_below(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found += [line for line in path.read_text().splitlines() if str(folder) in line]
        except OSError:
            continue
    return found
