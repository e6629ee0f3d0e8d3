"""Where a request's image goes."""

from pathlib import Path

from locald.config.project_files import blamed_on
from locald.config.project_limits import project_output
from locald.config.resolution import Resolution, texts
from oci.location import ImageLocation


def resolve_outputs(resolution: Resolution) -> tuple[ImageLocation, ...]:
    """--output, else the file's; it may only choose places that are its own."""
    flags = resolution.flags.outputs
    if flags:
        resolution.origins["outputs"] = "--output"
        with blamed_on("--output"):
            return tuple(ImageLocation.parse(text, relative_to=Path.cwd()) for text in flags)
    given = texts(resolution.build.output)
    if given:
        resolution.origins["outputs"] = resolution.key("output")
    with blamed_on(resolution.key("output")):
        return tuple(project_output(text, resolution.folder) for text in given)
