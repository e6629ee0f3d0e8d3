"""Buildpacks that take all there is: the build ends, and all else is as it was."""

import json
import time
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.e2e.test_bad_input import refused
from tests.e2e.test_mounts import said
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until

# With what each is limited by, and how the message begins.
HOSTILE = {
    "fork bomb": (
        "bomb() { bomb | bomb & }\nbomb\nsleep 60",
        ("--pids", "200"),
        5,
        "took more processes and threads than 200 (--pids)",
    ),
    "memory hog": (
        "x=$(head -c 600m /dev/zero | tr '\\0' x); sleep 60; echo ${#x}",
        ("--memory", "200m"),
        5,
        "took more memory than 200m (--memory)",
    ),
    "disk filler": (
        "mkdir /tmp/h; for i in {1..40}; do head -c 5m /dev/zero >/tmp/h/$i; done\n"
        "chmod 000 /tmp/h; sleep 60",
        ("--max-disk", "150m"),
        5,
        "took more of the disk than 150m (--max-disk)",
    ),
    "files without a name": (
        "for i in {1..40}; do exec {d}>/tmp/d$i; rm /tmp/d$i; head -c 5m /dev/zero >&$d; done\n"
        "sleep 60",
        ("--max-disk", "150m"),
        5,
        "took more of the disk than 150m (--max-disk)",
    ),
    "many files": (
        'cd "$CNB_LAYERS_DIR"; for i in {1..40}; do mkdir $i; (cd $i; touch {1..1000}); done\n'
        "sleep 60",
        ("--max-disk", "100m"),
        5,
        "took more of the disk than 100m (--max-disk)",
    ),
    "endless output": (
        "yes $(printf '%01000d' 0)",
        ("--timeout", "4s", "--quiet"),
        7,
        "--timeout: the build did not end within 4 s",
    ),
    "endless sleep": (
        "trap '' TERM INT HUP; while true; do sleep 600; done",
        ("--timeout", "4s"),
        7,
        "--timeout: the build did not end within 4 s",
    ),
}


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [
        *((RuntimeName.RUNC, kind) for kind in HOSTILE),
        *((RuntimeName.PODMAN, kind) for kind in ("fork bomb", "memory hog", "disk filler")),
        (RuntimeName.PODMAN, "files without a name"),
        *((RuntimeName.BUBBLEWRAP, kind) for kind in ("fork bomb", "memory hog", "endless sleep")),
    ],
)
def test_what_takes_too_much_is_ended(
    installation: Installation, app: Path, tmp_path: Path, runtime: RuntimeName, kind: str
) -> None:
    script, flags, code, message = HOSTILE[kind]
    good = BuildpackFolder.make(tmp_path / "good", build=f'touch "$LOCALD_BUILD_CACHE/x"\n{BUILDS}')
    before = installation.build(app, buildpack=good).digest
    bad = BuildpackFolder.make(tmp_path / "bad", id="e2e/bad", build=script)
    report = tmp_path / "report.json"
    started = time.monotonic()
    flags = (*flags, "--runtime", str(runtime), "--report", str(report))
    with installation.start_build(app, *flags, buildpack=bad) as build:
        result = build.finish()
        assert wait_until(lambda: not processes_of(build.pid, tmp_path), seconds=10)
    assert result.code == code, result.stderr[-2000:]
    assert message in result.stderr
    if code == 5:
        assert "build: the buildpack e2e/bad@1.0.0 took more" in result.stderr
        assert json.loads(report.read_text())["error"]["phase"] == "build"
    assert time.monotonic() - started < 45
    image = installation.image(app)
    assert image is not None
    assert str(image.digest) == before
    show = BuildpackFolder.make(
        tmp_path / "show", build=f'ls "$LOCALD_BUILD_CACHE" | sed "s/^/say /"\n{BUILDS}'
    )
    assert said(installation.build(app, buildpack=show).stderr) == ["x"]


def test_a_detection_has_limits_too(installation: Installation, app: Path, tmp_path: Path) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", detect="bomb() { bomb | bomb & }\nbomb\nsleep 60")
    result = installation.try_build(app, "--pids", "100", buildpack=bad)
    refused(result, 5, "detect: it took more processes and threads than 100 (--pids)")


def test_a_file_is_no_larger_than_the_disk_limit(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", build="truncate --size 30m /tmp/x")
    assert installation.try_build(app, "--max-disk", "20m", buildpack=bad).code == 51
    assert installation.try_build(app, "--max-disk", "90m", buildpack=bad).code == 0


def test_what_is_limited_and_by_what_is_told(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    show = BuildpackFolder.make(
        tmp_path / "show", build=f'echo "say $(ulimit -u) $(ulimit -f)"\n{BUILDS}'
    )
    (app / "locald.toml").write_text('[service.w.build]\nmemory = "1g"\npids = 99999\n')
    report = tmp_path / "report.json"
    flags = ("--verbose", "--report", report, "--max-disk", "1g")
    result = installation.build(app, *flags, buildpack=show)
    assert "limits of detect and build: memory 1g (" in result.stderr
    phases = {p["name"]: p["given"] for p in json.loads(report.read_text())["phases"]}
    assert phases["analyze"]["limits"] == phases["export"]["limits"] == {}
    limits = phases["build"]["limits"]
    assert limits == phases["detect"]["limits"]
    assert {name: limit["most"] for name, limit in limits.items()} == {
        "memory_bytes": 1 << 30, "pids": 16384, "disk_bytes": 1 << 30,
    }  # fmt: skip
    assert limits["pids"]["origin"] == "default"
    assert limits["memory_bytes"]["origin"].endswith("locald.toml: service.w.build.memory")
    tasks, file_blocks = said(result.stderr)[0].split()
    assert file_blocks == str(1 << 20)
    if "RLIMIT_NPROC" in limits["pids"]["by"]:
        assert tasks == str(16384 + 64)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--memory", "much"), "--memory: not a size: 'much'"),
        (("--memory", "1k"), "--memory: too small: '1k'"),
        (("--pids", "-1"), "--pids: not a number of processes: '-1'"),
        (("--pids", "3"), "--pids: too small: '3'"),
        (("--max-disk", "0"), "--max-disk: too small: '0'"),
    ],
)
def test_bad_limits_are_named(
    installation: Installation, app: Path, flags: tuple[str, ...], part: str
) -> None:
    refused(installation.try_build(app, *flags), 2, part)
