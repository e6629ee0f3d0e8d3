"""What the last build of a project came from, and whether its image can stand for a new one.

Beside the project's cache: KEY/last-build.json, and KEY/last-sbom/ with the bill of materials
that only a build has. The record is written last, when all else is there.
"""

import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Self

import msgspec

from lifecycle.app_image import reusable
from locald.build.fingerprint import Fingerprint, differences
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference
from oci.removal import delete, remove_tree
from oci.store import ImageStore, StoredImage
from oci.whole_file import write_whole

_FORM = 1
_RECORD = "last-build.json"
_SBOM = "last-sbom"


class LastBuild(msgspec.Struct, frozen=True, kw_only=True):
    """built: seconds since 1970. image: the digest of its manifest. places: where it went, and
    what stood there afterwards (see `place_state`). lifecycle_report: report.toml."""

    form: int = _FORM
    built: float
    fingerprint: dict[str, str]
    image: str
    buildpacks: tuple[str, ...]
    places: dict[str, str]
    lifecycle_report: str

    @classmethod
    def of(
        cls,
        image: StoredImage,
        fingerprint: Fingerprint,
        buildpacks: tuple[str, ...],
        lifecycle_report: str,
    ) -> Self:
        """The record of an image that was built now; it is in no place yet."""
        return cls(
            built=time.time(),
            fingerprint=dict(fingerprint),
            image=str(image.digest),
            buildpacks=buildpacks,
            places={},
            lifecycle_report=lifecycle_report,
        )

    @property
    def built_at(self) -> str:
        """Local time, for people."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.built))


def read_last_build(cache: Path) -> LastBuild | None:
    """The record in a project's cache; None when there is none that can be read."""
    try:
        record = msgspec.json.decode((cache / _RECORD).read_bytes(), type=LastBuild)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if record.form == _FORM else None


def write_last_build(cache: Path, record: LastBuild, sbom: Mapping[PurePosixPath, bytes]) -> None:
    """Replace the record, and the bill of materials. Raises OSError."""
    forget_last_build(cache)
    remove_tree(cache / _SBOM)
    for name, data in sbom.items():
        path = cache.joinpath(_SBOM, *name.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write_whole(cache / _RECORD, msgspec.json.encode(record))


def write_places(cache: Path, record: LastBuild, places: Mapping[str, str]) -> None:
    """The same record with what stands at these places now. Raises OSError."""
    updated = msgspec.structs.replace(record, places={**record.places, **places})
    write_whole(cache / _RECORD, msgspec.json.encode(updated))


def forget_last_build(cache: Path) -> None:
    """The next build is a new one."""
    delete(cache / _RECORD)


def last_sbom(cache: Path) -> dict[PurePosixPath, bytes]:
    """The bill of materials of the last build."""
    folder = cache / _SBOM
    return {
        PurePosixPath(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def why_not_the_same(last: LastBuild | None, fingerprint: Fingerprint) -> str:
    """Why a build is needed, in words; "" when all that decides about the image is the same."""
    if last is None:
        return "no earlier build is on record"
    changed = differences(last.fingerprint, fingerprint)
    return f"changed: {', '.join(changed)}" if changed else ""


def last_image(
    last: LastBuild, names: tuple[Reference, ...], platform: Platform, store: ImageStore
) -> StoredImage | None:
    """The image of the last build, when every name still means it and the store has all of it."""
    for name in names:
        found = store.find(name, platform)
        if found is None or str(found.digest) != last.image:
            return None
    found = store.find(names[0], platform)
    return found if found is not None and reusable(found) else None


def place_state(place: ImageLocation) -> str:
    """What stands in a file or layout, as far as its times tell; "" for places that have none.

    An image that is still where a build has put it need not be copied there again.
    """
    if place.path is None:
        return ""
    try:
        status = (place.path / "index.json" if place.path.is_dir() else place.path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
