"""Where buildpacks come from: a folder, an archive, or a buildpackage image.

An archive or an image is unpacked once, by its digest.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.module import folder_name
from lifecycle.unpacked import UnpackedFolders
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout, LayoutImage
from oci.untar import untar_file

_T = TypeVar("_T")

BUILDPACKAGE_LABEL = "io.buildpacks.buildpackage.metadata"
BUILDPACK_LAYERS_LABEL = "io.buildpacks.buildpack.layers"
EXTENSION_LAYERS_LABEL = "io.buildpacks.extension.layers"


def buildpacks_at_path(
    path: Path, *, unpacked: UnpackedFolders, origin: str = "", allowed_root: Path | None = None
) -> tuple[Buildpack, ...]:
    """The module of a folder, or of a tar archive of one; a folder may also be an OCI layout
    of a buildpackage. The main one comes first. `origin` names it in errors.
    """
    origin = origin or str(path)
    if path.is_dir():
        if (path / "oci-layout").is_file():
            layout = Layout(path)
            return buildpacks_of_image(layout, layout.read(), unpacked=unpacked, origin=origin)
        return (Buildpack.read(path, origin=origin, allowed_root=allowed_root),)
    if not path.is_file():
        raise ImageError(f"no such folder or archive: {path}")
    return buildpacks_in_archive(path, Digest.of_file(path), unpacked=unpacked, origin=origin)


def buildpacks_in_archive(
    archive: Path, digest: Digest, *, unpacked: UnpackedFolders, origin: str
) -> tuple[Buildpack, ...]:
    """As `buildpacks_at_path`, of a file with this digest."""
    folder = unpacked.folder(
        f"archive-{digest.hex}", lambda folder: untar_file(archive, folder, origin=origin)
    )
    if (folder / "oci-layout").is_file():  # a .cnb file
        layout = Layout(folder)
        return buildpacks_of_image(layout, layout.read(), unpacked=unpacked, origin=origin)
    return (Buildpack.read(_descriptor_folder(folder), origin=origin),)


def buildpacks_of_image(
    layout: Layout, image: LayoutImage, *, unpacked: UnpackedFolders, origin: str
) -> tuple[Buildpack, ...]:
    """All modules of a buildpackage image, the main one first."""
    labels = image.config.labels
    text = labels.get(BUILDPACKAGE_LABEL, "")
    if not text:
        raise ImageError(f"{origin} is not a buildpackage: it has no label {BUILDPACKAGE_LABEL}")
    main = _decode(text, _Main, f"{origin}: the label {BUILDPACKAGE_LABEL}")
    contents = [
        (kind, module_id, version)
        for kind, label in (
            (ModuleKind.BUILDPACK, BUILDPACK_LAYERS_LABEL),
            (ModuleKind.EXTENSION, EXTENSION_LAYERS_LABEL),
        )
        for module_id, versions in _layers(labels.get(label, ""), f"{origin}: the label {label}")
        for version in versions
    ]

    folder = unpacked.of_image("image", layout, image, select=_is_module_file, origin=origin)
    found = [
        _listed(folder, kind, module_id, version, f"{origin} ({module_id}@{version})")
        for kind, module_id, version in contents
    ]
    found.sort(key=lambda b: ((b.id, b.version) != (main.id, main.version), b.id, b.version))
    if not found or (found[0].id, found[0].version) != (main.id, main.version):
        raise ImageError(f"{origin}: the buildpackage does not hold {main.id}@{main.version}")
    return tuple(found)


def _listed(folder: Path, kind: ModuleKind, module_id: str, version: str, origin: str) -> Buildpack:
    """A module that a label lists, where the label says that it is."""
    name = folder_name(module_id)
    if {"", ".", ".."} & {name, version} or "/" in version or "\0" in name + version:
        raise ImageError(f"{origin}: not the name of a {kind}")
    found = Buildpack.read(folder.joinpath(*kind.folder.parts[1:], name, version), origin=origin)
    if (found.kind, found.id, found.version) != (kind, module_id, version):
        raise ImageError(f"{origin}: holds the {found.kind} {found} instead")
    return found


class _Main(msgspec.Struct, frozen=True):
    id: str
    version: str


def _layers(text: str, what: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    if text in ("", "null"):
        return ()
    document = _decode(text, dict[str, dict[str, object]], what)
    return tuple((name, tuple(versions)) for name, versions in sorted(document.items()))


def _decode(text: str, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(f"{what} cannot be read: {error}") from error


def _is_module_file(path: PurePosixPath) -> bool:
    return path.parts[:2] in (("cnb", "buildpacks"), ("cnb", "extensions"))


def _descriptor_folder(folder: Path) -> Path:
    """The folder itself, or the only one in it: archives of repositories have one more level."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        return inside[0]
    return folder
