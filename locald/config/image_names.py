"""What a request's image is called."""

from dataclasses import dataclass

from locald.config.errors import ConfigError
from locald.config.image_component import image_component
from locald.config.project_files import blamed_on
from locald.config.project_limits import check_project_name
from locald.config.resolution import Resolution
from oci.errors import UsageError
from oci.reference import LOCALHOST, Reference


@dataclass(frozen=True, kw_only=True)
class ImageNames:
    """What the image is called, and what of that this host may know it by.

    They differ when a project's file names an image of a registry. To push there shows that the
    user may; but under that name this host would keep whatever a stranger wrote into a file, and
    start it the next time that somebody asks podman for the image of the registry.
    """

    called: tuple[Reference, ...]
    kept: tuple[Reference, ...]


def resolve_project_name(resolution: Resolution) -> str:
    """[project] name, else the folder's. (project.toml's name is prose, not a name.)"""
    files = resolution.files
    if files.locald is not None and files.locald.project.name:
        origin = f"{resolution.locald_label}: project.name"
        resolution.origins["project_name"] = origin
        name = files.locald.project.name
        if not name.isprintable():
            raise ConfigError(f"{origin}: holds characters that cannot be shown")
        return name
    what = "folder" if files.archive is None else "archive"
    resolution.origins["project_name"] = f"the {what}'s name"
    return resolution.files.name


def resolve_names(resolution: Resolution, project: str, suffix: str) -> ImageNames:
    """--tag, else the file's tags, else the project's name and `suffix`."""
    flags, origins = resolution.flags, resolution.origins
    if flags.tags:
        origins["names"] = "--tag"
        names = _parsed(flags.tags, "--tag")
        return ImageNames(called=names, kept=names)
    by_default = (Reference(LOCALHOST, image_component(project) + suffix, "latest"),)
    if not resolution.build.tags:
        origins["names"] = origins["project_name"]
        return ImageNames(called=by_default, kept=by_default)
    origin = origins["names"] = resolution.key("tags")
    names = _parsed(resolution.build.tags, origin)
    for name in names:
        with blamed_on(origin):
            check_project_name(name)
    of_registries = tuple(name for name in names if name.registry != LOCALHOST)
    kept = tuple(name for name in names if name.registry == LOCALHOST) or by_default
    if flags.publish:
        return ImageNames(called=of_registries or kept, kept=kept)
    if of_registries:
        resolution.notes.append(
            f"{origin}: with --publish only: {', '.join(name.familiar for name in of_registries)}; "
            f"here the image is {', '.join(name.familiar for name in kept)}"
        )
    return ImageNames(called=kept, kept=kept)


def _parsed(texts: tuple[str, ...], origin: str) -> tuple[Reference, ...]:
    names = []
    for text in texts:
        with blamed_on(origin):
            name = Reference.parse(text, default_registry=LOCALHOST).with_default_tag()
            if name.digest is not None:
                raise UsageError(f"{text!r}: what is built has no digest yet")
        names.append(name)
    return tuple(dict.fromkeys(names))
