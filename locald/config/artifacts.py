"""The files that a request leaves beside its image."""

from dataclasses import dataclass
from pathlib import Path

from locald.config.flag_path import report_path
from locald.config.resolution import Resolution


@dataclass(frozen=True, kw_only=True)
class ArtifactRequest:
    """report: ours; `-` is standard output."""

    report: Path | None = None


def resolve_artifacts(resolution: Resolution) -> ArtifactRequest:
    """Only flags say so."""
    return ArtifactRequest(report=report_path(resolution.flags.report))
