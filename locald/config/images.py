"""The images of a request: what is built is called, and what it is built with and on."""

from pathlib import Path

from locald.config.default_builder import default_builder
from locald.config.errors import ConfigError
from locald.config.image_component import image_component
from locald.config.image_source import ImageSource
from locald.config.project_files import blamed_on
from locald.config.project_limits import check_project_name
from locald.config.resolution import Resolution
from oci.errors import UsageError
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference


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
    resolution.origins["project_name"] = "the folder's name"
    return resolution.folder.name or "app"


def resolve_names(resolution: Resolution, project: str, suffix: str) -> tuple[Reference, ...]:
    """--tag, else the file's tags, else the project's name and `suffix`."""
    flags, build, origins = resolution.flags, resolution.build, resolution.origins
    if flags.tags:
        origin, given = "--tag", flags.tags
    elif build.tags:
        origin, given = resolution.key("tags"), build.tags
    else:
        origins["names"] = origins["project_name"]
        return (Reference(LOCALHOST, image_component(project) + suffix, "latest"),)
    origins["names"] = origin
    names = []
    for text in given:
        with blamed_on(origin):
            name = Reference.parse(text, default_registry=LOCALHOST).with_default_tag()
            if name.digest is not None:
                raise UsageError(f"{text!r}: what is built has no digest yet")
            if not flags.tags:
                check_project_name(name, text)
        names.append(name)
    return tuple(dict.fromkeys(names))


def resolve_builder(resolution: Resolution, platform: Platform) -> ImageSource:
    """The builder image."""
    flags, build, user = resolution.flags, resolution.build, resolution.user
    descriptor = resolution.descriptor
    if flags.builder is not None:
        return resolution.image("builder", flags.builder, "--builder", Path.cwd())
    if build.builder is not None:
        return resolution.project_image("builder", build.builder, resolution.key("builder"))
    if descriptor is not None and descriptor.builder:
        origin = resolution.descriptor_key("builder")
        return resolution.project_image("builder", descriptor.builder, origin)
    if user.default_builder is not None:
        origin = resolution.user_key("default-builder")
        folder = resolution.user_file.parent
        return resolution.image("builder", user.default_builder, origin, folder)
    return resolution.image("builder", default_builder(platform), "default", resolution.folder)


def resolve_run_image(resolution: Resolution) -> ImageSource | None:
    """The run image; None leaves it to the builder."""
    flag, key = resolution.flags.run_image, resolution.build.run_image
    if flag is not None:
        return resolution.image("run_image", flag, "--run-image", Path.cwd())
    return resolution.project_image("run_image", key, resolution.key("run_image")) if key else None


def resolve_previous_image(resolution: Resolution) -> ImageSource | None:
    """The image whose layers may be reused; None means the one that is replaced."""
    flag, key = resolution.flags.previous_image, resolution.build.previous_image
    if flag is not None:
        return resolution.image("previous_image", flag, "--previous-image", Path.cwd())
    origin = resolution.key("previous_image")
    return resolution.project_image("previous_image", key, origin) if key else None
