"""What image extensions change between detection and the phases that follow.

switch    another run image takes the place of the builder's
apply     Dockerfiles are applied to the run image and to the build image
tell      the exporter finds the run image as it is now, and nothing left to extend
"""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lifecycle.analyzed import write_analyzed_run_image
from lifecycle.builder import BuilderImage, RunImageChoice
from lifecycle.buildpack import Buildpack
from lifecycle.documents import (
    GroupBuildpack,
    read_analyzed_run_image,
    read_group,
    write_run_toml,
)
from lifecycle.execution import BuildRoot, Execution
from lifecycle.extender import AppSource
from lifecycle.extension import ImageExtensions, read_generated
from lifecycle.inputs import EXTENDED_RUN_IMAGE, RUN_IMAGE
from lifecycle.layout_dir import place_run_image
from lifecycle.module import folder_name
from lifecycle.run_image import run_toml_images
from locald.build.acquire import acquire_run_image
from locald.build.acquired import Acquired
from locald.build.dockerfiles import Dockerfiles
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from oci.errors import ImageError, UsageError
from oci.idmap import IdMap
from oci.location import ImageLocation
from oci.process import CommandRunner
from oci.reference import Reference, layout_subpath
from oci.store import ImageStore, StoredImage

_EXTENSIONS = PurePosixPath("cnb/extensions")


@dataclass(frozen=True, kw_only=True)
class BuildImages:
    """The images of a build before extensions change them.

    rootfs: the builder's, unpacked with id_map. modules: those that the build adds.
    registries: where the image will be published.
    """

    builder: StoredImage
    builder_image: BuilderImage
    run_image: StoredImage
    run_image_name: Reference
    rootfs: Path
    id_map: IdMap
    modules: tuple[Buildpack, ...]
    registries: tuple[str, ...]

    @classmethod
    def of(cls, acquired: Acquired, targets: tuple[ImageLocation, ...]) -> "BuildImages":
        """Those that a build has acquired."""
        builder = acquired.builder_image
        return cls(
            builder=acquired.builder,
            builder_image=builder,
            run_image=acquired.run_image,
            run_image_name=acquired.run_image_name,
            rootfs=acquired.rootfs,
            id_map=acquired.selection.runtime.id_map(builder.uid, builder.gid),
            modules=acquired.added.modules,
            registries=tuple(t.reference.registry for t in targets if t.reference is not None),
        )


@dataclass(frozen=True, kw_only=True)
class Extended:
    """run_image: whose name the application's image keeps. top_layer: the diffID of its last
    layer, when layers of extensions follow in the application's image; else empty.
    build_root: what the build phase runs in; None means the builder."""

    run_image: StoredImage
    run_image_name: Reference
    top_layer: str = ""
    build_root: BuildRoot | None = None


def extend(
    images: BuildImages,
    request: BuildRequest,
    *,
    store: ImageStore,
    runner: CommandRunner,
    execution: Execution,
    observer: BuildObserver,
) -> Extended:
    """Do what the extensions that took part in detection ask for; nothing when none did.

    Raises HostError when a Dockerfile is to be applied and this host cannot, ImageError for
    what an extension may not do, `lifecycle.extender.ExtendError` when a Dockerfile fails.
    """
    workspace = execution.workspace
    extensions = read_group(workspace.layers).group_extensions
    if not extensions:
        return Extended(run_image=images.run_image, run_image_name=images.run_image_name)
    generated = read_generated(
        workspace.layers,
        extensions,
        api=execution.inputs.api,
        module_folder=lambda extension: _module_folder(extension, images),
    )
    name, run_image = _run_image(generated, images, request, store, execution, observer)
    dockerfiles = Dockerfiles(
        store=store,
        runner=runner,
        observer=observer,
        folder=workspace.root.parent / "extension",  # beside the workspace: no phase sees it
        platform=request.platform,
        app=AppSource(folder=workspace.app, hidden=workspace.hidden, adopted=workspace.adopted),
        network=request.network,
        proxies=execution.proxy_env,
        ca_cert=request.ca_cert,
        watch=execution.disk_watch,
    )
    standing = dockerfiles.run_image(run_image, generated.run) if generated.run else run_image
    if standing.digest != images.run_image.digest or name != images.run_image_name:
        _tell(execution, images.builder_image, name, standing)
    return Extended(
        run_image=run_image,
        run_image_name=name,
        top_layer=run_image.config.rootfs.diff_ids[-1] if generated.run else "",
        build_root=dockerfiles.build_root(
            images.builder, images.rootfs, images.id_map, generated.build
        )
        if generated.build
        else None,
    )


def _run_image(
    generated: ImageExtensions,
    images: BuildImages,
    request: BuildRequest,
    store: ImageStore,
    execution: Execution,
    observer: BuildObserver,
) -> tuple[Reference, StoredImage]:
    """The run image that the lifecycle chose: the one it was given, or an extension's."""
    told = read_analyzed_run_image(execution.workspace.layers)
    given = execution.inputs.paths.layout / layout_subpath(RUN_IMAGE)
    if told.partition("@")[0] == str(given):
        return images.run_image_name, images.run_image
    by = f"the run.Dockerfile of the extension {generated.switched_by}"
    try:
        wanted = Reference.parse(told).with_default_tag()
    except UsageError as error:
        raise ImageError(f"{by}: FROM names no image: {told[:200]!r}") from error
    if request.run_image is not None:
        observer.note(f"{by} takes {wanted.familiar} in the place of --run-image")
    # With its mirrors, if the builder knows it.
    (_, mirrors), *_ = run_toml_images(images.builder_image, wanted)
    choice = RunImageChoice(str(wanted), mirrors)
    name, stored = acquire_run_image(
        store,
        replace(images.builder_image, run_images=(choice,)),
        None,
        request.platform,
        request.pull_policy,
        observer,
        registries=images.registries,
        preferred=[mirror for names in request.run_image_mirrors.values() for mirror in names],
    )
    observer.detail(f"run image {name} ({stored.digest}), from {by}")
    return name, stored


def _tell(
    execution: Execution, builder: BuilderImage, name: Reference, standing: StoredImage
) -> None:
    """Put the run image where restorer and exporter find it, and let analyzed.toml say so."""
    workspace = execution.workspace
    place_run_image(workspace.layout, EXTENDED_RUN_IMAGE, standing)
    (_, mirrors), *others = run_toml_images(builder, name)
    path = workspace.layers / "run.toml"
    path.unlink()  # a phase may have put anything in its place
    write_run_toml(path, ((EXTENDED_RUN_IMAGE, mirrors), *others))
    write_analyzed_run_image(
        workspace.layers,
        layout=execution.inputs.paths.layout / layout_subpath(EXTENDED_RUN_IMAGE),
        digest=standing.digest,
        config=standing.config,
    )


def _module_folder(extension: GroupBuildpack, images: BuildImages) -> tuple[Path, Path] | None:
    """Where an extension lies: among those that the build adds, or in the builder."""
    for module in images.modules:
        if (module.id, module.version) == (extension.id, extension.version):
            return module.folder, Path()
    return images.rootfs, Path(_EXTENSIONS / folder_name(extension.id) / extension.version)
