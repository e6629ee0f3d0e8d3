"""What a build leaves beside its image: the bill of materials, the lifecycle's report."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import tomli_w

from locald.config.artifacts import ArtifactRequest
from oci.errors import ImageError, StorageError
from oci.plain_file import read_plain_file
from oci.reference import Reference
from oci.store import StoredImage
from oci.whole_file import write_whole

SBOM_FLAG = "--sbom-output-dir"
REPORT_FLAG = "--report-output-dir"

_PARTS = ("build", "launch", "cache")
_SBOM_FILE = re.compile(r"sbom(\.[a-z0-9-]+)*\.json")
_MAX_FILE_BYTES = 64 << 20
_MAX_FILES = 10_000
_MAX_REPORT_BYTES = 64 << 20

Sbom = Mapping[PurePosixPath, bytes]
"""`launch/BUILDPACK/[LAYER/]sbom.FORMAT.json` and the same below `build` → the document."""


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """All of it. lifecycle_report: report.toml."""

    sbom: Sbom
    lifecycle_report: str

    @classmethod
    def of_build(cls, layers: Path, image: StoredImage, names: Iterable[Reference]) -> Self:
        """What a finished build left in its layers folder."""
        return cls(sbom=read_sbom(layers), lifecycle_report=lifecycle_report(layers, image, names))

    def write(self, request: ArtifactRequest) -> None:
        """To where they were asked for."""
        if request.sbom_dir is not None:
            write_sbom(request.sbom_dir, self.sbom)
        if request.report_dir is not None:
            write_lifecycle_report(request.report_dir, self.lifecycle_report)


def read_sbom(layers: Path) -> Sbom:
    """All that the buildpacks told in /layers/sbom; none is an empty one.

    Foreign files: links are passed over. Raises ImageError for too much.
    """
    found: dict[PurePosixPath, bytes] = {}
    for name in sorted(_files(layers / "sbom")):
        if name.parts[0] in _PARTS and _SBOM_FILE.fullmatch(name.name):
            found[name] = read_plain_file(layers / "sbom", str(name), max_bytes=_MAX_FILE_BYTES)
        if len(found) > _MAX_FILES:
            raise ImageError(f"the buildpacks left more than {_MAX_FILES} bills of materials")
    return found


def write_sbom(folder: Path, sbom: Sbom) -> None:
    """Put the documents into a folder; those of an earlier build there go."""
    try:
        for name, data in sbom.items():
            path = folder.joinpath(*name.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data, mode=0o644)
        for part in _PARTS:
            for name in _files(folder / part):
                if PurePosixPath(part, name) not in sbom and _SBOM_FILE.fullmatch(name.name):
                    folder.joinpath(part, *name.parts).unlink()
    except OSError as error:
        raise _unwritable(SBOM_FLAG, folder, error) from error


def lifecycle_report(layers: Path, image: StoredImage, names: Iterable[Reference]) -> str:
    """report.toml put right: the exporter knows neither the image's names nor its last digest."""
    try:
        text = read_plain_file(layers, "report.toml", max_bytes=_MAX_REPORT_BYTES).decode()
        document = tomllib.loads(text)
    except (OSError, ValueError, RecursionError, ImageError) as error:
        raise ImageError(f"the build left no usable report.toml: {error}") from error
    document["image"] = {
        "tags": [str(name) for name in names],
        "digest": str(image.digest),
        "manifest-size": len(image.image.manifest_bytes),
    }
    return tomli_w.dumps(document)


def write_lifecycle_report(folder: Path, text: str) -> None:
    """report.toml into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "report.toml", text.encode(), mode=0o644)
    except OSError as error:
        raise _unwritable(REPORT_FLAG, folder, error) from error


def _files(folder: Path) -> list[PurePosixPath]:
    """Regular files below, relative to it; no link is followed, nor the folder itself if it is."""
    found: list[PurePosixPath] = []
    pending = [PurePosixPath()]
    while pending:
        relative = pending.pop()
        place = folder / relative
        try:
            if not stat.S_ISDIR(place.lstat().st_mode):
                continue
            with os.scandir(place) as iterator:
                for entry in iterator:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(relative / entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        found.append(relative / entry.name)
        except FileNotFoundError:
            continue
    return found


def _unwritable(flag: str, folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{flag} {folder}: cannot be written: {error.strerror}",
        hint="name a folder that you can write",
    )
