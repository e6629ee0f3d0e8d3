"""Buildpackages as pack makes them: a layer for each module, labels that list them."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.buildpack_source import (
    BUILDPACK_LAYERS_LABEL,
    BUILDPACKAGE_LABEL,
    EXTENSION_LAYERS_LABEL,
)
from oci.digest import Digest
from oci.layout import Layout
from oci.platform import Platform
from tests.support.images import make_image

COMPOSITE = """\
api = "0.10"
[buildpack]
id = "{id}"
version = "{version}"
{order}"""


def make_composite(
    folder: Path, *groups: Sequence[str], id: str = "e2e/all", version: str = "2.0.0"
) -> Path:
    """The folder of a composite buildpack. groups: of `ID@VERSION`, `?` after the optional."""
    lines = []
    for group in groups:
        lines.append("[[order]]")
        for member in group:
            name, _, its_version = member.removesuffix("?").partition("@")
            lines += ["[[order.group]]", f'id = "{name}"', f'version = "{its_version}"']
            lines += ["optional = true"] if member.endswith("?") else []
    folder.mkdir(parents=True)
    order = "\n".join(lines) + "\n"
    (folder / "buildpack.toml").write_text(COMPOSITE.format(id=id, version=version, order=order))
    return folder


def make_buildpackage(
    path: Path,
    *folders: Path,
    platform: Platform | None = None,
    labels: Mapping[str, str] | None = None,
) -> Layout:
    """A layout in a new folder. folders: of modules, the main one first.
    labels: instead of those that tell of the modules."""
    modules = [Buildpack.read(folder) for folder in folders]
    layers = [_layer(module) for module in modules]
    listed: dict[ModuleKind, dict[str, dict[str, object]]] = {kind: {} for kind in ModuleKind}
    for module, layer in zip(modules, layers, strict=True):
        listed[module.kind].setdefault(module.id, {})[module.version] = {
            "api": module.api,
            "layerDiffID": str(Digest.of(layer)),
        }
    told = {
        BUILDPACKAGE_LABEL: json.dumps({"id": modules[0].id, "version": modules[0].version}),
        BUILDPACK_LAYERS_LABEL: json.dumps(listed[ModuleKind.BUILDPACK]),
        EXTENSION_LAYERS_LABEL: json.dumps(listed[ModuleKind.EXTENSION]),
    }
    return make_image(path, layers=layers, labels={**told, **(labels or {})}, platform=platform)


def make_cnb_file(layout: Layout, file: Path) -> Path:
    """A `.cnb` file: the layout in an uncompressed archive."""
    with tarfile.open(file, "w") as archive:
        for entry in sorted(layout.path.iterdir()):
            archive.add(entry, arcname=entry.name)
    return file


def make_tgz(folder: Path, file: Path, *, prefix: str = ".") -> Path:
    """An archive of a folder."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=prefix)
    return file


def _layer(module: Buildpack) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(module.folder, arcname=str(module.container_folder).lstrip("/"))
    return buffer.getvalue()
