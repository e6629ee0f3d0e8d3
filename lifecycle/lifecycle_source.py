"""Where a builder's lifecycle comes from: binaries in a folder, a Go module, an archive, an image.

Whatever the source, the result is a folder with the programs as /cnb/lifecycle holds them: some
releases ship eight programs, later ones one program with a link for each phase.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from lifecycle.builder import (
    LIFECYCLE_APIS_LABEL,
    LIFECYCLE_VERSION_LABEL,
    ApiVersions,
    LifecycleApis,
)
from lifecycle.toml_document import read_toml
from lifecycle.unpacked import UnpackedFolders
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout, LayoutImage
from oci.untar import untar_file

DESCRIPTOR = "lifecycle.toml"
LAUNCHER = "launcher"
MULTI_CALL = "lifecycle"
# Phases that a build runs; rebaser, creator and extender are taken along where they are.
REQUIRED = ("analyzer", "detector", "restorer", "builder", "exporter", LAUNCHER)
_PHASES = (
    "analyzer", "builder", "creator", "detector", "exporter", "extender", "rebaser", "restorer",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """A lifecycle whose programs are in `folder` on this host.

    links: names that are to be links to another program in the folder.
    """

    version: str
    apis: LifecycleApis
    folder: Path
    links: dict[str, str]


class _Info(msgspec.Struct, frozen=True):
    version: str = ""


class _OldApi(msgspec.Struct, frozen=True):
    buildpack: str = ""
    platform: str = ""


class LifecycleToml(msgspec.Struct, frozen=True, kw_only=True):
    """lifecycle.toml, which releases of the lifecycle carry. `api` is the form before `apis`."""

    lifecycle: _Info = _Info()
    api: _OldApi = _OldApi()
    apis: LifecycleApis = LifecycleApis()

    def known_apis(self) -> LifecycleApis:
        """The lists, or else the single old versions as lists."""
        buildpack, platform = self.apis.buildpack, self.apis.platform
        if not buildpack.all and self.api.buildpack:
            buildpack = ApiVersions(supported=(self.api.buildpack,))
        if not platform.all and self.api.platform:
            platform = ApiVersions(supported=(self.api.platform,))
        return LifecycleApis(buildpack=buildpack, platform=platform)


def lifecycle_in_folder(folder: Path, *, origin: str = "") -> Lifecycle:
    """Programs in `folder` or `folder/lifecycle`, with a lifecycle.toml in or beside it."""
    origin = origin or str(folder)
    programs = folder / "lifecycle" if (folder / "lifecycle").is_dir() else folder
    for place in (programs / DESCRIPTOR, folder / DESCRIPTOR, folder.parent / DESCRIPTOR):
        if place.is_file():
            document = read_toml(place, LifecycleToml, origin=f"{origin}/{DESCRIPTOR}")
            return checked(
                programs, document.lifecycle.version, document.known_apis(), origin=origin
            )
    raise ImageError(f"{origin} is not a lifecycle: it has no {DESCRIPTOR}")


def lifecycle_in_archive(
    archive: Path, *, unpacked: UnpackedFolders, origin: str = "", digest: Digest | None = None
) -> Lifecycle:
    """A release archive: lifecycle.toml and `lifecycle/…`. digest: of the file, where known."""
    origin = origin or str(archive)
    folder = unpacked.folder(
        f"archive-{(digest or Digest.of_file(archive)).hex}",
        lambda folder: untar_file(archive, folder, origin=origin),
    )
    return lifecycle_in_folder(folder, origin=origin)


def lifecycle_of_image(
    layout: Layout, image: LayoutImage, *, unpacked: UnpackedFolders, origin: str
) -> Lifecycle:
    """A lifecycle image, or any builder: its /cnb/lifecycle and its labels."""
    folder = unpacked.of_image("lifecycle", layout, image, select=_is_lifecycle_file, origin=origin)
    labels = image.config.labels
    text = labels.get(LIFECYCLE_APIS_LABEL, "")
    programs = folder / "cnb/lifecycle"
    if not text:
        return lifecycle_in_folder(programs, origin=origin)
    try:
        apis = msgspec.json.decode(text, type=LifecycleApis)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(
            f"{origin}: the label {LIFECYCLE_APIS_LABEL} cannot be read: {error}"
        ) from error
    return checked(programs, labels.get(LIFECYCLE_VERSION_LABEL, ""), apis, origin=origin)


def checked(programs: Path, version: str, apis: LifecycleApis, *, origin: str) -> Lifecycle:
    """The lifecycle of these programs; raises ImageError that names what is missing."""
    multi_call = (programs / MULTI_CALL).is_file()
    links = {name: MULTI_CALL for name in _PHASES if multi_call and not (programs / name).is_file()}
    missing = [name for name in REQUIRED if name not in links and not (programs / name).is_file()]
    if missing:
        raise ImageError(f"{origin} is not a lifecycle: it lacks {', '.join(missing)}")
    if not version:
        raise ImageError(f"{origin}: the lifecycle does not say its version")
    if not apis.platform.all or not apis.buildpack.all:
        raise ImageError(f"{origin}: the lifecycle does not say which APIs it speaks")
    return Lifecycle(version=version, apis=apis, folder=programs, links=links)


def _is_lifecycle_file(path: PurePosixPath) -> bool:
    return path.parts[:2] == ("cnb", "lifecycle")
