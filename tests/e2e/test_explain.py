"""What `--detect-only` and `--explain` tell, with the real detector."""

import json
from pathlib import Path

import pytest

from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import Installation

PROVIDES = 'printf "[[provides]]\\nname = \\"%s\\"\\n" {} >"$CNB_BUILD_PLAN_PATH"'
REQUIRES = 'printf "[[requires]]\\nname = \\"%s\\"\\n" {} >"$CNB_BUILD_PLAN_PATH"'


def test_detection_alone_prints_the_buildpacks_and_keeps_nothing(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    fresh = installation.with_caches(tmp_path / "caches")
    output = tmp_path / "layout"
    result = fresh.build(app, "--detect-only", "--output", f"oci:{output}")
    assert result.stdout == "locald/static@0.1.0\n"
    assert fresh.image(app) is None
    assert not output.exists()
    assert not [path for path in (tmp_path / "caches").rglob("*") if path.is_file()]


def test_detection_alone_ends_with_the_lifecycles_code_and_each_verdict(
    installation: Installation, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = installation.try_build(empty, "--detect-only")
    assert result.code == 20
    assert result.stdout == ""
    assert "locald/static@0.1.0 is not for this application: no: no index.html" in result.stderr


def test_a_buildpack_that_breaks_is_told_with_its_own_words(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", detect='echo "cannot look" >&2; exit 3')
    result = installation.try_build(app, "--detect-only", buildpack=bad)
    assert result.code == 21
    assert "e2e/test@1.0.0 could not tell (exit code 3)\n    cannot look\n" in result.stderr


def test_each_group_is_explained(installation: Installation, app: Path) -> None:
    result = installation.build(app, "--detect-only", "--explain")
    assert "Detection: group 5 of 6 fits; 5 combinations of buildpacks were tried" in result.stderr
    assert (
        "  group 4: does not fit\n"
        "    no      locald/node@0.1.0\n"
        "            | no: no package.json\n"
        "    no      locald/procfile@0.1.0 (optional)\n"
        "    lacks: locald/node@0.1.0 is not for this application: no: no package.json\n"
    ) in result.stderr
    assert "  group 5: fits, and is taken\n" in result.stderr
    assert "  group 6: not tried, because an earlier one fits\n" in result.stderr


def test_a_build_is_explained_too_and_a_failed_one(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    assert "group 5: fits" in installation.build(app, "--explain").stderr
    (app / "index.html").rename(app / "other.html")
    failed = installation.try_build(app, "--explain")
    assert failed.code == 20
    assert "Detection: none of 6 groups fits; 6 combinations of buildpacks were tried" in (
        failed.stderr
    )
    assert failed.stderr.index("Detection:") < failed.stderr.index("error: ")


def test_what_is_required_and_provided_in_vain_is_told(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    needs = BuildpackFolder.make(
        tmp_path / "needs", id="e2e/needs", detect=REQUIRES.format("engine")
    )
    gives = BuildpackFolder.make(
        tmp_path / "gives", id="e2e/gives", detect=PROVIDES.format("engine")
    )
    alone = installation.try_build(app, "--detect-only", "--explain", buildpack=needs)
    assert alone.code == 20
    assert "lacks: e2e/needs@1.0.0 requires engine, which no buildpack before it provides" in (
        alone.stderr
    )
    unused = installation.try_build(app, "--detect-only", "--explain", buildpack=gives)
    assert "lacks: e2e/gives@1.0.0 provides engine, which no buildpack after it requires" in (
        unused.stderr
    )
    both = installation.build(app, "--detect-only", "--explain", "-b", gives.path, "-b", needs.path)
    assert both.stdout == "e2e/gives@1.0.0 e2e/needs@1.0.0\n"
    assert "engine is required, and provided by e2e/gives@1.0.0" in both.stderr


def test_composites_are_understood(installation: Installation, app: Path, tmp_path: Path) -> None:
    meta = tmp_path / "meta"
    meta.mkdir()
    (meta / "buildpack.toml").write_text(
        'api = "0.10"\n[buildpack]\nid = "e2e/meta"\nversion = "1.0.0"\n'
        '[[order]]\n[[order.group]]\nid = "locald/node"\nversion = "0.1.0"\n'
        '[[order]]\n[[order.group]]\nid = "locald/static"\nversion = "0.1.0"\n'
    )
    result = installation.build(app, "--detect-only", "--explain", "-b", meta)
    assert "  group 1, e2e/meta@1.0.0 group 1: does not fit\n" in result.stderr
    assert "  group 1, e2e/meta@1.0.0 group 2: fits, and is taken\n" in result.stderr


def test_a_buildpack_cannot_speak_for_another_one(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    liar = BuildpackFolder.make(
        tmp_path / "liar",
        id="e2e/liar",
        detect='echo "======== Results ========"; echo "pass: e2e/liar@1.0.0"; '
        'echo "pass: e2e/no@1.0.0"',
    )
    no = BuildpackFolder.make(tmp_path / "no", id="e2e/no", detect="exit 100")
    result = installation.try_build(
        app, "--detect-only", "--explain", "-b", liar.path, "-b", no.path
    )
    assert result.code == 20
    assert "unclear e2e/no@1.0.0" in result.stderr
    assert "fits    e2e/no@1.0.0" not in result.stderr
    assert "Beware: the output of a buildpack looks like the lifecycle's own" in result.stderr


@pytest.mark.parametrize("place", ["event", "report"])
def test_machines_can_read_it(
    installation: Installation, app: Path, tmp_path: Path, place: str
) -> None:
    flags = ("--report", "-") if place == "report" else ("--explain", "--progress", "json")
    result = installation.build(app, "--detect-only", *flags)
    if place == "report":
        report = json.loads(result.stdout)
        assert report["status"] == "detected"
        assert "image" not in report
        detection = report["detection"]
    else:
        (detection,) = [event for event in result.events if event["event"] == "detection"]
    assert detection["taken"] == 5
    assert detection["tried"][4]["buildpacks"][0]["verdict"] == "pass"
    assert detection["tried"][0]["lacks"]
