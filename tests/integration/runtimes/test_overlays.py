"""Overlays of a build, and what a build leaves, the same for every runtime."""

import os
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    Mount,
    OverlayMount,
    Sandbox,
)
from tests.support.containers import WORKSPACE, output, shell, tree_state, wait_until_gone


def test_an_overlay_keeps_changes_and_leaves_the_source(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    source = tmp_path / "so:ur,ce \\ é"
    (source / "kept/deep").mkdir(parents=True)
    (source / "kept/deep/file").write_text("old\n")
    (source / "kept/secret\nname").write_text("hidden")
    (source / "node_modules/much").mkdir(parents=True)
    (source / os.fsdecode(b"not-utf8-\xff")).write_text("hidden")
    (source / "script").write_text("run")
    os.utime(source / "kept", (1_000_000_000, 1_000_000_000))
    before = tree_state(source)
    changes = tmp_path / "changes"
    changes.mkdir()
    overlay = OverlayMount(
        lower=source,
        scratch=changes,
        target=WORKSPACE,
        hidden=(
            PurePosixPath("node_modules"),
            PurePosixPath("kept/secret\nname"),
            PurePosixPath(os.fsdecode(b"not-utf8-\xff")),
            PurePosixPath("absent/altogether"),
        ),
    )
    spec = replace(spec, overlays=(overlay,), cwd=WORKSPACE)

    first = output(
        sandbox,
        shell(
            spec, "find . | sort; stat -c %Y kept; echo new > kept/deep/file; rm script; id > me"
        ),
    )
    assert first == [".", "./kept", "./kept/deep", "./kept/deep/file", "./script", "1000000000"]
    second = output(sandbox, shell(spec, "find . | sort; cat kept/deep/file; stat -c %u . me"))
    assert second == [
        *(".", "./kept", "./kept/deep", "./kept/deep/file", "./me"),
        *("new", "1000", "1000"),
    ]
    assert tree_state(source) == before


def test_thousands_of_hidden_paths_cost_little(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    source, changes = tmp_path / "source", tmp_path / "changes"
    changes.mkdir()
    hidden = [PurePosixPath(f"d{n % 50}/f{n}") for n in range(3000)]
    for n in range(50):
        (source / f"d{n}").mkdir(parents=True)
    for path in hidden:
        (source / path).touch()
    overlay = OverlayMount(lower=source, scratch=changes, target=WORKSPACE, hidden=tuple(hidden))
    started = time.monotonic()
    lines = output(sandbox, shell(replace(spec, overlays=(overlay,)), "find /workspace -type f"))
    assert lines == []
    assert time.monotonic() - started < 10  # one process each would take minutes


def test_what_a_build_leaves_can_be_removed(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    mount = Mount(source=left, target=PurePosixPath("/layers"))
    script = "mkdir -p /layers/a/b && touch /layers/a/b/c && chmod 000 /layers/a/b /layers/a"
    output(sandbox, shell(replace(spec, mounts=(mount,)), script))
    sandbox.remove_tree(left)
    assert not left.exists()


def test_a_closed_sandbox_leaves_nothing_that_its_user_cannot_delete(
    runtime: ContainerRuntime,
    spec: ContainerSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "gone"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # every child inherits it, and is known by it
    with runtime.open(scratch) as opened:
        output(opened, shell(spec, "touch /tmp/x /home/cnb/y"))
    wait_until_gone(f"TMPDIR={tmp_path}", seconds=2, file="environ")
    owners = {path.lstat().st_uid for path in scratch.rglob("*")}
    assert owners <= {os.getuid()}
