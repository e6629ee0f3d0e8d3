from pathlib import Path

import pytest

from locald.doctor.check import make
from locald.doctor.checks.tools import namespace_tools, tool_checks, version_of, versions
from locald.doctor.finding import Level
from locald.doctor.trial import Outcome, Step
from oci.errors import ImageError
from tests.support.doctor_host import make_host
from tests.support.fake_tools import FakeTools


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("runc version 1.1.5+ds1\ncommit: 1.1.5\n", (1, 1, 5)),
        ("podman version 5.0.0-rc1\n", (5, 0, 0)),
        ("nothing of the kind\n", None),
        ("", None),
    ],
)
def test_a_version_is_read_from_what_a_tool_says(
    fake_tools: FakeTools, tmp_path: Path, printed: str, version: tuple[int, ...] | None
) -> None:
    fake_tools.install("podman", stdout=printed)
    assert version_of("podman", make_host(tmp_path)) == version


def test_a_tool_that_fails_has_no_version(fake_tools: FakeTools, tmp_path: Path) -> None:
    fake_tools.install("podman", exit_code=125)
    assert version_of("podman", make_host(tmp_path)) is None


def test_a_tool_that_is_too_old_is_a_warning(fake_tools: FakeTools, tmp_path: Path) -> None:
    fake_tools.install("podman", stdout="podman version 3.4.4\n")
    found = versions(make_host(tmp_path))
    assert found.level is Level.WARN
    assert "podman 3.4.4 is older than 4.3" in found.symptom


def test_holes_that_may_be_closed_are_a_note(fake_tools: FakeTools, tmp_path: Path) -> None:
    fake_tools.install("podman", stdout="podman version 5.0.0\n")
    fake_tools.install("umoci", stdout="umoci version 0.5.0\n")
    fake_tools.install("skopeo", stdout="skopeo version 1.18.0\n")
    fake_tools.install("runc", stdout="runc version 1.1.5\n")
    found = versions(make_host(tmp_path))
    assert found.level is Level.NOTE
    assert "runc 1.1.5: CVE-2025-31133" in found.symptom
    assert "skopeo" not in found.symptom


def test_an_unshare_of_busybox_is_no_help(fake_tools: FakeTools, tmp_path: Path) -> None:
    fake_tools.install("unshare", stderr="BusyBox v1.36.1 multi-call binary.\n  -m -u -i -n\n")
    stopped = Outcome(errors={Step.RUNTIME: ImageError("x")})
    found = namespace_tools(make_host(tmp_path, outcome=stopped))
    assert found.level is Level.FAIL
    assert found.remedy.tools == ("unshare",)


def test_a_missing_tool_fails_only_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = {check.name: check for check in tool_checks()}
    stopped = make_host(tmp_path, outcome=Outcome(errors={Step.IMAGE: ImageError("x")}))
    assert make(checks["skopeo"], stopped).finding.level is Level.FAIL
    assert make(checks["skopeo"], make_host(tmp_path)).finding.level is Level.WARN
    assert make(checks["git"], stopped).finding.level is Level.NOTE
