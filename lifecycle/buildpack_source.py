"""Where buildpacks come from: a folder, an archive, or a buildpackage image.

An archive or image is unpacked into a throwaway folder that the caller owns.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.module import folder_name
from oci.errors import ImageError
from oci.layout import Layout, LayoutImage
from oci.untar import untar_file

_T = TypeVar("_T")

BUILDPACKAGE_LABEL = "io.buildpacks.buildpackage.metadata"
BUILDPACK_LAYERS_LABEL = "io.buildpacks.buildpack.layers"
EXTENSION_LAYERS_LABEL = "io.buildpacks.extension.layers"


def buildpacks_at_path(
    path: Path, *, scratch: Path, allowed_root: Path | None = None
) -> tuple[Buildpack, ...]:
    """The buildpack of a folder, or of a tar archive of one; a folder may also be an OCI layout
    of a buildpackage. The main one comes first.

    scratch: an existing folder for what has to be unpacked.
    """
    if path.is_dir():
        if (path / "oci-layout").is_file():
            layout = Layout(path)
            return buildpacks_of_image(layout, layout.read(), scratch=scratch, origin=str(path))
        return (Buildpack.read(path, allowed_root=allowed_root),)
    if not path.is_file():
        raise ImageError(f"no such folder or archive: {path}")
    folder = _new_folder(scratch)
    untar_file(path, folder)
    if (folder / "oci-layout").is_file():  # a .cnb file
        layout = Layout(folder)
        return buildpacks_of_image(layout, layout.read(), scratch=scratch, origin=str(path))
    return (Buildpack.read(_descriptor_folder(folder), origin=str(path)),)


def buildpacks_of_image(
    layout: Layout, image: LayoutImage, *, scratch: Path, origin: str
) -> tuple[Buildpack, ...]:
    """All buildpacks (or the extension) of a buildpackage image, the main one first."""
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
    folder = _new_folder(scratch)
    for digest in image.layer_digests:
        if not layout.has_blob(digest):
            raise ImageError(f"{origin}: the layer {digest} is missing")
        untar_file(layout.blob_path(digest), folder, select=_is_module_file)
    found = [
        Buildpack.read(
            folder.joinpath(*kind.folder.parts[1:], folder_name(module_id), version),
            origin=f"{origin} ({module_id}@{version})",
        )
        for kind, module_id, version in contents
    ]
    found.sort(key=lambda b: ((b.id, b.version) != (main.id, main.version), b.id, b.version))
    if not found or (found[0].id, found[0].version) != (main.id, main.version):
        raise ImageError(f"{origin}: the buildpackage does not hold {main.id}@{main.version}")
    return tuple(found)


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


def _new_folder(scratch: Path) -> Path:
    number = sum(1 for _ in scratch.iterdir())
    folder = scratch / f"unpacked-{number}"
    folder.mkdir()
    return folder
