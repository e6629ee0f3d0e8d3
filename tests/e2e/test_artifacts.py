"""Reports and bills of materials."""

import json
import signal
import tomllib
from pathlib import Path

import yaml

from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation

# Bills of materials of the application, of a layer, and of the build.
WITH_SBOM = f"""{BUILDS}
printf '{{"bomFormat":"CycloneDX","of":"launch"}}' >"$CNB_LAYERS_DIR/launch.sbom.cdx.json"
printf '{{"bomFormat":"CycloneDX","of":"layer"}}' >"$CNB_LAYERS_DIR/made.sbom.cdx.json"
printf '{{"bomFormat":"CycloneDX","of":"build"}}' >"$CNB_LAYERS_DIR/build.sbom.cdx.json"
"""


def sbom_buildpack(path: Path) -> BuildpackFolder:
    made = BuildpackFolder.make(path, build=WITH_SBOM)
    descriptor = path / "buildpack.toml"
    formats = 'sbom-formats = ["application/vnd.cyclonedx+json"]\n'
    descriptor.write_text(descriptor.read_text().replace("[[targets]]", f"{formats}[[targets]]"))
    return made


def documents(folder: Path) -> dict[str, str]:
    """Those of the buildpack; the lifecycle adds one of its launcher."""
    found = {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in folder.rglob("*.cdx.json")
    }
    return {name: document["of"] for name, document in found.items() if "of" in document}


EVERY_SBOM = {
    "launch/e2e_test/sbom.cdx.json": "launch",
    "launch/e2e_test/made/sbom.cdx.json": "layer",
    "build/e2e_test/sbom.cdx.json": "build",
}


def test_bills_of_materials_are_written_and_of_an_unchanged_image_again(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = sbom_buildpack(tmp_path / "bp")
    first, second = tmp_path / "new/sbom", tmp_path / "again"
    installation.build(app, "--sbom-output-dir", first, "--if-changed", buildpack=buildpack)
    assert documents(first) == EVERY_SBOM
    result = installation.build(
        app, "--sbom-output-dir", second, "--if-changed", buildpack=buildpack
    )
    assert "unchanged since" in result.stderr
    assert documents(second) == EVERY_SBOM


def test_the_lifecycles_report_has_our_name_and_digest(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        folder = tmp_path / "reports"
        result = installation.build(app, "--report-output-dir", folder, "--if-changed")
        image = tomllib.loads((folder / "report.toml").read_text())["image"]
        assert image["tags"] == [f"{installation.name(app)}:latest"]
        assert image["digest"] == result.digest
        (folder / "report.toml").unlink()


def test_a_folder_that_cannot_be_is_refused_before_anything_runs(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for flag in ("--sbom-output-dir", "--report-output-dir"):
        result = installation.try_build(app, flag, tmp_path / "file")
        assert result.code == 2
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert errors == [f"error: {flag} {tmp_path}/file: {tmp_path}/file is no folder"]
        assert "analyze" not in result.stderr


def test_a_failed_build_has_a_report(installation: Installation, app: Path, tmp_path: Path) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", build='echo "the compiler says no"; exit 7')
    path = tmp_path / "report.json"
    result = installation.try_build(
        app, "--report", path, "--env", "TOKEN=correct horse", buildpack=bad
    )
    assert result.code == 51
    report = json.loads(path.read_text())
    assert report["status"] == "failed"
    assert report["error"]["phase"] == "build"
    assert report["error"]["exit_code"] == 51
    assert [phase["name"] for phase in report["phases"]] == [
        "analyze",
        "detect",
        "restore",
        "build",
    ]
    assert report["phases"][-1]["seconds"] is None
    assert report["environment"] == ["TOKEN"]
    assert "correct horse" not in path.read_text()


def test_an_interrupted_build_has_a_report(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp")
    buildpack.hold("build")
    path = tmp_path / "report.yaml"
    with installation.start_build(app, "--report", path, buildpack=buildpack) as running:
        running.wait_for_event("line", text="holding build")
        running.send(signal.SIGTERM)
        assert running.finish().code == 143
    report = yaml.safe_load(path.read_text())
    assert report["status"] == "interrupted"
    assert report["phases"][-1]["name"] == "build"


def test_a_report_says_what_each_phase_was_given(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    buildpack = BuildpackFolder.make(tmp_path / "bp")
    result = installation.build(app, "--report", path, buildpack=buildpack)
    report = json.loads(path.read_text())
    phases = {phase["name"]: phase["given"] for phase in report["phases"]}
    assert phases["build"]["argv"][0] == "/cnb/lifecycle/builder"
    assert phases["build"]["network"] == "private"
    assert phases["export"]["network"] == "none"
    assert {"target": "/workspace", "source": str(app), "overlay": True, "read_only": False} in (
        phases["build"]["mounts"]
    )
    assert phases["build"]["environment"]["CNB_PLATFORM_API"] == report["platform_api"]
    (added,) = report["added"]
    assert added["place"] == "/cnb/buildpacks/e2e_test/1.0.0"
    assert added["digest"].startswith("sha256:")
    layers = report["image"]["layers"]
    assert report["image"]["digest"] == result.digest
    assert [layer["owner"] for layer in layers if layer["name"] == "made"] == ["e2e/test@1.0.0"]
    assert layers[0]["base"]
    assert layers[0]["reused"]
    assert report["source"]["digest"].startswith("sha256:")


def test_the_reports_of_several_services_are_one_list(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    (app / "locald.toml").write_text(
        f'[project]\nname = "{installation.prefix}-{app.name}"\n'
        "[service.web.build]\n[service.api.build]\n"
    )
    path, reports = tmp_path / "report.json", tmp_path / "reports"
    # Not --tag and --output, which are of one image.
    arguments = ("build", app, "--builder", "localhost/locald/builder:embedded")
    result = installation.locald.run(
        *arguments, "--detect-only", "--report", path, "--report-output-dir", reports
    )
    assert result.code == 0, result.stderr
    builds = json.loads(path.read_text())["builds"]
    assert [build["service"] for build in builds] == ["web", "api"]
    assert result.stdout == "locald/static@0.1.0\n" * 2
