"""The files that a request leaves beside its image."""

import os
from dataclasses import dataclass
from pathlib import Path

from locald.config.flag_path import report_path
from locald.config.resolution import Resolution
from oci.errors import UsageError

_REPORT = "--report"
_SBOM = "--sbom-output-dir"
_LIFECYCLE_REPORT = "--report-output-dir"


@dataclass(frozen=True, kw_only=True)
class ArtifactRequest:
    """report: ours; `-` is standard output. sbom_dir: for the bills of materials.
    report_dir: for the lifecycle's report.toml. Folders need not exist yet."""

    report: Path | None = None
    sbom_dir: Path | None = None
    report_dir: Path | None = None

    @property
    def from_build(self) -> bool:
        """Is anything wanted that only the phases leave?"""
        return self.sbom_dir is not None or self.report_dir is not None


def resolve_artifacts(resolution: Resolution, *, own_folder: str = "") -> ArtifactRequest:
    """Only flags say so. What could not be written is refused before anything is built.

    own_folder: of this service, where several of a project have images.
    """
    flags = resolution.flags
    report = report_path(flags.report)
    if report is not None and str(report) != "-":
        if report.is_dir():
            raise UsageError(f"{_REPORT} {flags.report}: is a folder", hint="name a file in it")
        _check_writable(report.parent, f"{_REPORT} {flags.report}")
    return ArtifactRequest(
        report=report,
        sbom_dir=_folder(flags.sbom_output_dir, _SBOM, own_folder),
        report_dir=_folder(flags.report_output_dir, _LIFECYCLE_REPORT, own_folder),
    )


def _folder(path: Path | None, flag: str, own_folder: str) -> Path | None:
    if path is None:
        return None
    folder = path.absolute() / own_folder
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    _check_writable(existing, f"{flag} {path}")
    return folder


def _check_writable(folder: Path, what: str) -> None:
    if not folder.is_dir():
        if os.path.lexists(folder):
            raise UsageError(f"{what}: {folder} is no folder", hint="name another one")
        raise UsageError(f"{what}: {folder} does not exist", hint=f"make it: mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{what}: you cannot write to {folder}")
