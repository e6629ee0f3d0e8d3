"""`--if-changed`: the last image, without a phase, when a build would make it again."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.buildpack_folder import BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation

PHASES = ("analyze", "detect", "restore", "build", "export")


def ran(result: Finished) -> bool:
    """Did phases run?"""
    lines = result.stderr.splitlines()
    return any(line.startswith(phase) for line in lines for phase in PHASES)


@pytest.fixture
def built(installation: Installation, app: Path) -> Finished:
    result = installation.build(app, "--if-changed")
    assert ran(result)
    return result


def test_the_same_is_not_built_again(
    installation: Installation, app: Path, built: Finished
) -> None:
    again = installation.build(app, "--if-changed")
    assert not ran(again)
    assert again.stdout == built.stdout
    assert "is unchanged since 20" in again.stderr


def test_a_plain_build_and_a_forced_one_run(
    installation: Installation, app: Path, built: Finished
) -> None:
    assert ran(installation.build(app))
    assert ran(installation.build(app, "--no-if-changed"))
    assert ran(installation.build(app, "--if-changed", "--clear-cache"))
    assert ran(installation.build(app, "--if-changed", "--explain"))
    assert not ran(installation.build(app, "--if-changed"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "the source": lambda app: (app / "index.html").write_text("other"),
    "its revision": lambda app: os.system(
        f"cd '{app}' && git init -q && git -c user.name=a -c user.email=a@b.example "
        "commit -q --allow-empty -m one"
    ),
}


@pytest.mark.parametrize(("part", "change"), CHANGES.items())
def test_a_change_is_built_and_named(
    installation: Installation,
    app: Path,
    built: Finished,
    part: str,
    change: Callable[[Path], object],
) -> None:
    change(app)
    result = installation.build(app, "--if-changed", "-v")
    assert f"a build is needed; changed: {part}" in result.stderr
    assert not ran(installation.build(app, "--if-changed"))


def test_what_is_hidden_and_times_are_no_change(
    installation: Installation, app: Path, built: Finished
) -> None:
    (app / "node_modules").mkdir()
    (app / "node_modules/x").write_text("x")
    os.utime(app / "index.html", (1, 1))
    assert not ran(installation.build(app, "--if-changed"))


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--env", "A=1"), "the environment"),
        (("--default-process", "web"), "the flags"),
        (("--network", "none"), "the flags"),
    ],
)
def test_a_flag_that_decides_about_the_image_is_a_change(
    installation: Installation, app: Path, built: Finished, flags: tuple[str, ...], part: str
) -> None:
    result = installation.build(app, "--if-changed", "-v", *flags)
    assert f"changed: {part}\n" in result.stderr
    assert ran(result)


def test_a_buildpack_in_a_folder_is_compared_by_content(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp")
    assert ran(installation.build(app, "--if-changed", buildpack=buildpack))
    assert not ran(installation.build(app, "--if-changed", buildpack=buildpack))
    script = buildpack.path / "bin/build"
    script.write_text(script.read_text() + "# changed\n")
    result = installation.build(app, "--if-changed", "-v", buildpack=buildpack)
    assert "changed: the buildpacks\n" in result.stderr


def test_an_image_whose_name_means_another_one_is_built_again(
    installation: Installation, app: Path, built: Finished
) -> None:
    page = (app / "index.html").read_text()
    (app / "index.html").write_text("other")
    installation.build(app)  # leaves no record, but the name moves
    (app / "index.html").write_text(page)
    result = installation.build(app, "--if-changed", "-v")
    assert "the last image is no longer what its name means" in result.stderr
    assert result.stdout == built.stdout


def test_a_place_that_lost_the_image_gets_it_again(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    flags = ("--if-changed", "--output", f"oci-archive:{archive}")
    installation.build(app, *flags)
    first = archive.stat()
    kept = installation.build(app, *flags, "--report", tmp_path / "r.json")
    assert not ran(kept)
    assert archive.stat().st_mtime_ns == first.st_mtime_ns
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["status"] == "unchanged"
    assert report["outputs"] == []
    assert report["outputs_kept"] == [f"oci-archive:{archive}:latest"]
    archive.unlink()
    again = installation.build(app, *flags)
    assert not ran(again)
    assert archive.is_file()


def test_a_source_that_changes_during_the_build_is_not_remembered(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp")
    flags = (*installation.build_arguments(app, "--if-changed", "-v", buildpack=buildpack),)
    buildpack.hold("build")
    with installation.locald.start(*flags) as running:
        running.wait_for_line("holding build")
        (app / "late.txt").write_text("late")
        buildpack.release()
        first = running.finish()
    assert first.code == 0, first.stderr
    assert "something changed during the build" in first.stderr
    assert ran(installation.build(app, "--if-changed", buildpack=buildpack))


def test_a_damaged_record_means_a_build(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    caches = tmp_path / "caches"
    fresh = installation.with_caches(caches)
    fresh.build(app, "--if-changed")
    for name in ("last-build.json", "file-digests"):
        (path,) = caches.rglob(name)
        path.write_bytes(b"\xff{")
    assert ran(fresh.build(app, "--if-changed"))
    assert not ran(fresh.build(app, "--if-changed"))
    shutil.rmtree(caches)


def test_a_large_source_is_read_once(installation: Installation, app: Path) -> None:
    with (app / "large").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    time.sleep(0.2)  # longer than the clock's tick: then it counts as settled
    installation.build(app, "--if-changed")
