import os
from pathlib import Path

import pytest

from locald.config.artifacts import ArtifactRequest, resolve_artifacts
from locald.config.build_flags import BuildFlags
from locald.config.locald_toml import Build
from locald.config.project_files import read_project_files
from locald.config.resolution import Resolution
from locald.config.user_config import UserConfig
from oci.errors import UsageError


def resolution(folder: Path, flags: BuildFlags) -> Resolution:
    return Resolution(
        flags=flags,
        service=None,
        build=Build(),
        files=read_project_files(folder),
        user=UserConfig(),
        user_file=folder / "config.toml",
        environ={},
    )


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    assert resolve_artifacts(resolution(tmp_path, BuildFlags())) == ArtifactRequest()


def test_folders_need_not_exist_and_each_service_has_its_own(tmp_path: Path) -> None:
    flags = BuildFlags(
        report=tmp_path / "report.json",
        sbom_output_dir=tmp_path / "new/sbom",
        report_output_dir=tmp_path,
    )
    assert resolve_artifacts(resolution(tmp_path, flags)) == ArtifactRequest(
        report=tmp_path / "report.json",
        sbom_dir=tmp_path / "new/sbom",
        report_dir=tmp_path,
    )
    several = resolve_artifacts(resolution(tmp_path, flags), own_folder="api")
    assert several.sbom_dir == tmp_path / "new/sbom/api"
    assert several.report_dir == tmp_path / "api"
    assert several.report == tmp_path / "report.json"


def test_paths_are_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = BuildFlags(report=Path("r.json"), sbom_output_dir=Path("s"))
    request = resolve_artifacts(resolution(tmp_path, flags))
    assert request.report == tmp_path / "r.json"
    assert request.sbom_dir == tmp_path / "s"


def test_standard_output_is_no_file(tmp_path: Path) -> None:
    flags = BuildFlags(report=Path("-"))
    assert resolve_artifacts(resolution(tmp_path, flags)).report == Path("-")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"report": "gone/report.json"}, "--report .*gone/report.json: .*gone does not exist"),
        ({"report": "folder"}, "--report .*folder: is a folder"),
        ({"report": "file/report.json"}, "--report .*: .*file is no folder"),
        ({"sbom_output_dir": "file"}, "--sbom-output-dir .*file is no folder"),
        ({"sbom_output_dir": "file/below"}, "--sbom-output-dir .*file is no folder"),
        ({"report_output_dir": "file"}, "--report-output-dir .*file is no folder"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    tmp_path: Path, flags: dict[str, str], message: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    given = BuildFlags(**{name: tmp_path / path for name, path in flags.items()})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        resolve_artifacts(resolution(tmp_path, given))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for flags in (BuildFlags(report=closed / "r"), BuildFlags(sbom_output_dir=closed / "new")):
        with pytest.raises(UsageError, match="you cannot write to"):
            resolve_artifacts(resolution(tmp_path, flags))
