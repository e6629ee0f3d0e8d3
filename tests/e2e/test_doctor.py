"""`locald doctor` says what a build does: on this host, and with one thing broken at a time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from locald.doctor.finding import Level
from oci.locks import exclusive
from oci.process import CommandRunner
from oci.scratch import remove_abandoned
from tests.support.broken_host import never_unpacked, tools_without
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.cli import Finished, Locald
from tests.support.e2e import Installation, make_app
from tests.support.host_faults import FAULTS, Fault
from tests.support.leftovers import processes_of
from tests.support.registry import serve_registry
from tests.support.tiny_builder import make_tiny_builder
from tests.support.tree_state import tree_state


def examine(installation: Installation, *flags: str) -> tuple[Finished, dict[str, Any]]:
    """The run, and its object with the checks by their names."""
    result = installation.locald.run("doctor", "--json", *flags)
    assert result.stdout, result.output
    document = json.loads(result.stdout)
    document["checks"] = {check["name"]: check for check in document["checks"]}
    return result, document


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_it_is_red_where_a_build_fails_and_only_there(
    installation: Installation, app: Path, tmp_path: Path, fault: Fault
) -> None:
    builder: tuple[str, ...] = ()
    if fault.new_builder:
        builder = ("--builder", never_unpacked(installation, tmp_path / "builder"))
    elif fault.small_builder:
        builder = ("--builder", make_tiny_builder(installation, tmp_path / "tiny").name)
    broken = fault.breaks(installation, tmp_path)
    buildpack = None
    if fault.buildpack:
        buildpack = BuildpackFolder.make(tmp_path / "buildpack", build=fault.buildpack)
    build = broken.try_build(app, *fault.flags, *builder, buildpack=buildpack)
    assert (build.code == 0) is fault.builds, build.output
    result, document = examine(broken, *fault.flags)
    told = {name: check["level"] for name, check in document["checks"].items()}
    assert {**told, **fault.levels} == told, document
    assert document["can_build"] is fault.builds, document
    assert result.code == (0 if fault.builds else 3)
    assert "Traceback" not in result.stderr
    for name, level in fault.levels.items():
        if level in (Level.WARN, Level.FAIL):
            assert document["checks"][name]["remedy"] or document["checks"][name]["commands"]


def test_the_runtime_that_it_names_is_the_one_that_a_build_takes(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    path = tools_without(tmp_path / "tools", "newuidmap")
    for host in (installation, installation.with_environment(PATH=path)):
        runtime = examine(host)[1]["runtime"]
        assert f"runtime {runtime}: {runtime}" in host.build(app, "--verbose").stderr


def test_nothing_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    temporary = tmp_path / "tmp"
    for folder in (home, temporary):
        folder.mkdir()
    base = Installation.make(tmp_path / "locald", "none").locald
    fresh = base.with_environment(
        *("LOCALD_DATA_DIR", "LOCALD_CACHE_DIR", "LOCALD_CONFIG_DIR", "XDG_DATA_HOME"),
        HOME=str(home),
        TMPDIR=str(temporary),
    )
    before = set(tree_state(tmp_path))
    with fresh.start("doctor") as doctor:
        session = doctor.pid
        result = doctor.finish(seconds=60)
    assert "Builds " in result.stdout
    assert set(tree_state(tmp_path)) == before
    assert not processes_of(session, tmp_path)


def test_nothing_stays_of_one_that_was_killed(tmp_path: Path) -> None:
    base = Installation.make(tmp_path / "locald", "none").locald
    fresh = base.with_environment(LOCALD_DATA_DIR=str(tmp_path / "data"))
    (tmp_path / "data/work").mkdir(parents=True)
    with fresh.start("doctor") as doctor:
        deadline = time.monotonic() + 30
        while not any((tmp_path / "data/work").glob("*/with-*")):
            assert time.monotonic() < deadline
            assert doctor.running()
            time.sleep(0.01)
        session = doctor.pid
        doctor.kill()
    deadline = time.monotonic() + 5
    while found := processes_of(session, tmp_path / "data"):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    # What is left are files, and known to be nobody's.
    assert fresh.run("doctor").code == 0
    remove_abandoned(tmp_path / "data/work", CommandRunner())
    assert not list((tmp_path / "data/work").iterdir())


def test_it_waits_for_nobody(tmp_path: Path) -> None:
    base = Installation.make(tmp_path / "locald", "none").locald
    fresh = base.with_environment(LOCALD_DATA_DIR=str(tmp_path / "data"))
    (tmp_path / "data/work").mkdir(parents=True)
    with exclusive(tmp_path / "data/work.lock", what="a removal that takes long"):
        result = fresh.run("doctor")
    assert result.code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["work", "work.lock"]


def test_the_commands_that_remedy_it_are_all_that_is_printed(
    installation: Installation, tmp_path: Path
) -> None:
    path = tools_without(tmp_path / "tools", "skopeo", "umoci")
    broken = installation.with_environment(PATH=path)
    result = broken.locald.run("doctor", "--fix-hints")
    assert result.code == 3
    first, *_ = result.stdout.splitlines()
    assert first.endswith(" install skopeo umoci")
    document = examine(broken)[1]
    assert document["commands"] == result.stdout.splitlines()
    table = broken.locald.run("doctor")
    assert table.code == 3
    assert "Builds do not work here" in table.stdout
    assert "fail  skopeo" in table.stdout


def test_a_registry_is_asked_on_request(installation: Installation, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    with serve_registry(tmp_path / "registry") as registry:
        name = f"{registry.host}/team/app:1"
        insecure = installation.locald.run("config", "set", "insecure-registries", registry.host)
        assert insecure.code == 0, insecure.output
        try:
            installation.build(app, "--output", f"docker://{name}")
            result, document = examine(installation, "--reach", name)
            assert document["checks"][f"registry:{name}"]["level"] == Level.OK
            assert result.code == 0
            other = f"{registry.host}/team/other:1"
            result, document = examine(installation, "--reach", other)
            assert document["checks"][f"registry:{other}"]["level"] == Level.FAIL
            assert result.code == 3
        finally:
            installation.locald.run("config", "unset", "insecure-registries")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--json", "--fix-hints"), "--json or --fix-hints"),
        (("--runtime", "docker"), "--runtime"),
        (("--network", "bridge"), "--network"),
        (("--reach", "UPPER:"), "UPPER:"),
    ],
)
def test_flags_that_make_no_sense_are_told(
    locald_command: Locald, flags: tuple[str, ...], words: str
) -> None:
    result = locald_command.run("doctor", *flags)
    assert result.code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_without_a_place_for_its_folders_it_says_which_variables_to_set(
    locald_command: Locald,
) -> None:
    variables = ("LOCALD_DATA_DIR", "LOCALD_CACHE_DIR", "LOCALD_CONFIG_DIR")
    homeless = locald_command.with_environment(*variables, HOME="not-absolute", XDG_DATA_HOME="")
    result = homeless.run("doctor")
    assert result.code in (0, 3, 6)
    assert "Traceback" not in result.stderr
