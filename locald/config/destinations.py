"""Where a request's image goes."""

from pathlib import Path

from locald.config.project_files import blamed_on
from locald.config.project_limits import project_output
from locald.config.resolution import Resolution, texts
from oci.errors import UsageError
from oci.location import ImageLocation, Transport
from oci.reference import LOCALHOST, Reference


def resolve_outputs(
    resolution: Resolution, names: tuple[Reference, ...]
) -> tuple[ImageLocation, ...]:
    """--output and --publish, else the file's `output`, which may only choose places of its own.

    names: the image's, which --publish pushes it under.
    """
    flags = resolution.flags
    pushed = _published(names) if flags.publish else ()
    if flags.outputs:
        resolution.origins["outputs"] = "--output"
        with blamed_on("--output"):
            given = [ImageLocation.parse(text, relative_to=Path.cwd()) for text in flags.outputs]
        return tuple(dict.fromkeys((*given, *pushed)))
    if pushed:
        resolution.origins["outputs"] = "--publish"
        return pushed
    wanted = texts(resolution.build.output)
    if wanted:
        resolution.origins["outputs"] = resolution.key("output")
    with blamed_on(resolution.key("output")):
        return tuple(project_output(text, resolution.folder) for text in wanted)


def resolve_sparse(resolution: Resolution, outputs: tuple[ImageLocation, ...]) -> bool:
    """--sparse: oci: outputs come without the run image's layers."""
    if not resolution.flags.sparse:
        return False
    if not any(output.transport is Transport.OCI for output in outputs):
        raise UsageError(
            "--sparse: leaves the run image's layers out of oci: outputs, and there is none",
            hint="add --output oci:DIR",
        )
    return True


def _published(names: tuple[Reference, ...]) -> tuple[ImageLocation, ...]:
    for name in names:
        if name.registry == LOCALHOST:
            short = f"{name.repository}:{name.tag}"
            raise UsageError(
                f"--publish: the name {short} says no registry to push to",
                hint=f"name the image with its registry: --tag registry.example/team/{short} "
                f"(for Docker Hub: --tag docker.io/USER/{short})",
            )
    return tuple(ImageLocation.registry(name) for name in names)
