import time
from dataclasses import replace
from pathlib import Path

import pytest

from locald.doctor.check import Check, Checked, make
from locald.doctor.examination import Examination, all_checks
from locald.doctor.finding import Finding, Level, Remedy, fine
from locald.doctor.host import Host
from oci.errors import HostError
from oci.host_tools import missing_tool
from oci.process import Command
from tests.support.doctor_host import DEBIAN, make_host

_NAMES = "abcdefghijklmnopqrstuvwxyz0123456789-"


def checked(level: Level, remedy: Remedy | None = None, name: str = "one") -> Checked:
    finding = Finding(level=level, symptom="it is so", remedy=remedy or Remedy())
    check = Check(name=name, title="One", probe=lambda _: finding)
    return Checked(check=check, finding=finding, seconds=0.0)


def examination(*found: Checked) -> Examination:
    return Examination(distribution=DEBIAN, runtime="runc", reason="", checked=found)


def test_names_of_checks_are_unique_and_plain() -> None:
    names = [check.name for check in all_checks()]
    assert len(set(names)) == len(names) >= 32
    assert not [name for name in names if set(name) - set(_NAMES)]


@pytest.mark.parametrize(
    ("level", "can_build"),
    [(Level.OK, True), (Level.NOTE, True), (Level.WARN, True), (Level.FAIL, False)],
)
def test_only_a_failure_keeps_builds_from_working(level: Level, can_build: bool) -> None:
    assert examination(checked(Level.OK), checked(level)).can_build is can_build


def test_the_commands_of_all_remedies_are_one_list() -> None:
    found = examination(
        checked(Level.WARN, Remedy(tools=("newuidmap",), commands=("b",))),
        checked(Level.FAIL, Remedy(tools=("skopeo", "newgidmap"), commands=("a", "b"))),
        checked(Level.NOTE, Remedy(tools=("git",), commands=("never",))),
    )
    assert found.commands == ("sudo apt install uidmap skopeo", "b", "a")


def test_a_check_that_hangs_is_ended(tmp_path: Path) -> None:
    def hangs(host: Host) -> Finding:
        host.runner.run(Command(argv=("sleep", "60")))
        return fine("never")

    started = time.monotonic()
    result = make(Check(name="a", title="A", probe=hangs, limit_seconds=0.2), make_host(tmp_path))
    assert result.finding.level is Level.WARN
    assert "no answer within 0.2 s" in result.finding.symptom
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "error", [HostError("no"), OSError(24, "Too many open files"), RuntimeError("no thread")]
)
def test_a_check_that_cannot_be_made_is_a_warning(tmp_path: Path, error: Exception) -> None:
    def fails(_: Host) -> Finding:
        raise error

    result = make(Check(name="a", title="A", probe=fails), make_host(tmp_path))
    assert result.finding.level is Level.WARN


def test_a_missing_tool_is_installed_as_this_distribution_does(tmp_path: Path) -> None:
    finding = make_host(tmp_path).told(Level.FAIL, missing_tool("umoci"))
    assert finding.remedy == Remedy(tools=("umoci",))
    other = make_host(tmp_path).told(Level.FAIL, HostError("no", hint="do this"))
    assert other.remedy == Remedy(text="do this")
    one = replace(checked(Level.FAIL), finding=finding)
    assert examination(one).commands == ("sudo apt install umoci",)
