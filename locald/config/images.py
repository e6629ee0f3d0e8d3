"""The images that a request is built with, and on."""

from pathlib import Path

from locald.config.default_builder import default_builder
from locald.config.image_source import ImageSource
from locald.config.resolution import Resolution
from oci.platform import Platform


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
        return resolution.project_image(
            "builder",
            descriptor.builder,
            origin,
            folder=resolution.files.descriptor_folder,
            limit=resolution.files.descriptor_limit,
        )
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
