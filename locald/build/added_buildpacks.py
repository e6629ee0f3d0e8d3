"""Buildpacks that the user added: where they are mounted, and the order that names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lifecycle.builder import BuilderImage
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.buildpack_source import buildpacks_at_path
from lifecycle.module import folder_name
from locald.config.buildpack_source import BuildpackId, BuildpackSource
from oci.errors import ImageError


@dataclass(frozen=True, kw_only=True)
class AddedBuildpacks:
    """folders: on the host → `ID/VERSION` below /cnb/buildpacks. order: empty = the builder's."""

    folders: Mapping[Path, PurePosixPath]
    order: tuple[tuple[Mapping[str, Any], ...], ...]


def add_buildpacks(
    sources: tuple[BuildpackSource, ...], builder: BuilderImage, scratch: Path
) -> AddedBuildpacks:
    """Resolve `--buildpack`s into one group, in the order given.

    scratch: a folder for what has to be unpacked; made when needed.
    """
    folders: dict[Path, PurePosixPath] = {}
    group: list[Mapping[str, Any]] = []
    for source in sources:
        if isinstance(source, BuildpackId):
            group.append({"id": source.id, "version": _version(source, builder)})
            continue
        scratch.mkdir(exist_ok=True)
        modules = buildpacks_at_path(source.path, scratch=scratch)
        for module in modules:
            _check_mountable(module)
            module.check_api(builder.buildpack_apis, lifecycle_version=builder.lifecycle_version)
            folders[module.folder] = PurePosixPath(folder_name(module.id), module.version)
        group.append({"id": modules[0].id, "version": modules[0].version})
    return AddedBuildpacks(folders=folders, order=(tuple(group),) if group else ())


def _check_mountable(module: Buildpack) -> None:
    if module.kind is not ModuleKind.BUILDPACK:
        raise ImageError(f"--buildpack {module.folder}: this is an image extension, no buildpack")
    if module.leaves:
        # Copying what a link points at could hand the build a file that nobody meant to give.
        raise ImageError(
            f"--buildpack {module.folder}: links in it lead out of the folder",
            hint="give a folder or an archive that holds all of its files",
        )


def _version(source: BuildpackId, builder: BuilderImage) -> str:
    versions = [b.version for b in builder.buildpacks if b.id == source.id]
    if not versions:
        known = ", ".join(sorted({b.id for b in builder.buildpacks}))
        raise ImageError(
            f"--buildpack {source.id}: the builder has no such buildpack",
            hint=f"it has: {known}" if known else "",
        )
    if source.version:
        if source.version not in versions:
            raise ImageError(
                f"--buildpack {source.id}@{source.version}: the builder does not have this version",
                hint=f"it has: {', '.join(versions)}",
            )
        return source.version
    if len(versions) > 1:
        raise ImageError(
            f"--buildpack {source.id}: the builder has several versions",
            hint=f"choose one: {', '.join(f'{source.id}@{v}' for v in versions)}",
        )
    return versions[0]
