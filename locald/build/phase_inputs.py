"""What the phases of one build are told."""

from lifecycle.documents import (
    SourceMetadata,
    write_order_toml,
    write_project_metadata,
    write_run_toml,
)
from lifecycle.inputs import RUN_IMAGE, LifecycleInputs
from lifecycle.layout_dir import place_previous_image, place_run_image
from lifecycle.run_image import run_toml_images
from lifecycle.workspace import Workspace
from locald.build.acquired import Acquired
from locald.build.creation_time import created_seconds
from locald.config.request import BuildRequest
from oci.process import CommandRunner


def phase_inputs(
    request: BuildRequest, acquired: Acquired, workspace: Workspace, runner: CommandRunner
) -> LifecycleInputs:
    """Their flags and environment."""
    return LifecycleInputs(
        api=acquired.api,
        paths=workspace.paths,
        uid=acquired.builder_image.uid,
        gid=acquired.builder_image.gid,
        run_image=RUN_IMAGE,
        has_previous=acquired.previous is not None,
        own_order=acquired.added.own_order,
        own_system=not request.modules.system,
        skip_layers=request.caching.clear,
        process_type=request.process_type,
        exec_env=request.exec_env,
        created_seconds=created_seconds(request, runner),
    )


def write_documents(
    request: BuildRequest, revision: SourceMetadata, acquired: Acquired, workspace: Workspace
) -> None:
    """What they read: images without their layers, run.toml, order.toml, …"""
    place_run_image(workspace.layout, RUN_IMAGE, acquired.run_image)
    if acquired.previous is not None:
        place_previous_image(workspace.layout, acquired.previous.stored)
    (_, mirrors), *others = run_toml_images(acquired.builder_image, acquired.run_image_name)
    write_run_toml(workspace.layers / "run.toml", ((RUN_IMAGE, mirrors), *others))
    added = acquired.added
    if added.own_order:
        write_order_toml(workspace.layers / "order.toml", added.order, added.order_extensions)
    if not request.modules.system:
        (workspace.layers / "system.toml").touch()
    write_project_metadata(workspace.layers / "project-metadata.toml", revision)
