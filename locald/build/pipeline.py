"""One build, from a request to a delivered image.

acquire   runtime, builder, run image
prepare   the folders of this build, what the phases are told
execute   five phases, each in a container of its own
keep      the exported image, put right, into the store in one atomic step
deliver   copies to where the user wants them
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.app_image import BASE_OWNER, app_layers
from lifecycle.builder import BuilderImage
from lifecycle.disk_watch import DiskWatch
from lifecycle.documents import (
    SourceMetadata,
    read_group,
    write_order_toml,
    write_project_metadata,
    write_run_toml,
)
from lifecycle.execution import Execution
from lifecycle.export import put_right
from lifecycle.inputs import RUN_IMAGE, LifecycleInputs
from lifecycle.labels import LIFECYCLE_METADATA
from lifecycle.layout_dir import exported_layout, place_previous_image, place_run_image
from lifecycle.phase import Phase
from lifecycle.platform_api import PlatformApi, negotiate
from lifecycle.run_image import run_toml_images, with_mirrors
from lifecycle.runtime.select import Selection, select_runtime
from lifecycle.workspace import Workspace
from locald.build.acquire import acquire_builder, acquire_run_image
from locald.build.added_modules import AddedModules, add_modules
from locald.build.background import Background, complete_beside
from locald.build.caching import open_cache
from locald.build.clock import Clock
from locald.build.deliver import Delivery, deliver, destinations, wants_base
from locald.build.lifecycle_override import override_lifecycle
from locald.build.module_sources import ModuleSources
from locald.build.observer import BuildObserver
from locald.build.phases import AFTER_DETECTION, TO_DETECTION, run_phases
from locald.build.previous import PreviousImage, acquire_previous
from locald.build.report import BuildResult
from locald.build.source_metadata import image_labels, source_metadata
from locald.build.workshop import make_workspace
from locald.config.request import BuildRequest
from locald.paths import Paths
from oci.digest import Digest
from oci.errors import ImageError
from oci.location import ImageLocation
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.scratch import scratch_folder
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage

if TYPE_CHECKING:
    from locald.build.extend import Extended

_PROXY_VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every build of this process shares."""

    runner: CommandRunner
    skopeo: Skopeo
    store: ImageStore
    paths: Paths


@dataclass(frozen=True, kw_only=True)
class _Acquired:
    """What must be on this host before a phase can run.

    builder_image: as it is with this build's lifecycle. lifecycle: the folder of another one.
    top_layer: the run image's last, when layers of extensions follow it; see `Extended`.
    """

    selection: Selection
    builder: StoredImage
    builder_image: BuilderImage
    api: PlatformApi
    run_image: StoredImage
    run_image_name: Reference
    rootfs: Path
    previous: PreviousImage | None
    added: AddedModules
    lifecycle: Path | None
    top_layer: str = ""


def build(request: BuildRequest, tools: Tools, observer: BuildObserver) -> BuildResult:
    """Build one image. Raises `oci.errors.Error`; nothing half-made stays visible."""
    clock = Clock()
    targets = destinations(request.outputs, request.names)
    with ExitStack() as stack:
        with clock.step("acquire"):
            acquired = _acquire(request, targets, tools, observer)
        # An extension may choose another run image; then its layers are the ones to fetch.
        extensible = bool(acquired.added.order_extensions)
        wanted = wants_base(targets, sparse=request.sparse)
        base = complete_beside(
            tools.store, acquired.run_image, request.platform, needed=wanted and not extensible
        )
        with clock.step("cache"):
            opened = stack.enter_context(
                open_cache(
                    request,
                    acquired.builder_image,
                    paths=tools.paths,
                    skopeo=tools.skopeo,
                    observer=observer,
                )
            )
        cache = opened.cache
        workshop = stack.enter_context(ExitStack())
        root = workshop.enter_context(
            scratch_folder(tools.paths.ensure(tools.paths.work), tools.runner)
        )
        with clock.step("prepare"):
            workspace = make_workspace(
                request,
                root=root / "build",
                rootfs=acquired.rootfs,
                cache=cache,
                added=acquired.added,
                lifecycle=acquired.lifecycle,
                observer=observer,
            )
        execution = Execution(
            name=f"locald-{root.name}",
            rootfs=acquired.rootfs,
            inputs=_inputs(request, acquired, workspace),
            workspace=workspace,
            image_env=acquired.builder_image.env,
            proxy_env={n: os.environ[n] for n in _PROXY_VARIABLES if os.environ.get(n)},
            network=request.network,
            disk_watch=DiskWatch((root, cache.root)),
        )
        with clock.step("sandbox"):
            sandbox = workshop.enter_context(acquired.selection.runtime.open(workspace.sandbox))
        # Containers are made ready while other things go on; each starts in its turn.
        for phase in TO_DETECTION if extensible else Phase:
            sandbox.prepare(execution.spec(phase))
        with clock.step("prepare"):
            _write_documents(request, tools, acquired, workspace)
        outcomes = run_phases(TO_DETECTION, execution, sandbox, observer)
        if extensible:
            with clock.step("extend"):
                extended = _extend(request, targets, tools, acquired, execution, observer)
            acquired = replace(
                acquired,
                run_image=extended.run_image,
                run_image_name=extended.run_image_name,
                top_layer=extended.top_layer,
            )
            base = complete_beside(tools.store, acquired.run_image, request.platform, needed=wanted)
            execution = replace(execution, build_root=extended.build_root)
            for phase in AFTER_DETECTION:
                sandbox.prepare(execution.spec(phase))
        outcomes += run_phases(AFTER_DETECTION, execution, sandbox, observer)
        with clock.step("keep"):
            image, new_layers = _keep(request, tools, acquired, workspace)
        buildpacks = tuple(f"{b.id}@{b.version}" for b in read_group(workspace.layers).group)
        # The store has the image: containers and folders go while it is delivered.
        clearing = Background(workshop.close, needed=True)
        stack.callback(clearing.wait)
        with clock.step("deliver"):
            base.join()
            published = deliver(
                _delivery(request, acquired, image, targets),
                store=tools.store,
                skopeo=tools.skopeo,
                observer=observer,
            )
        with clock.step("cache"):
            opened.send()
        with clock.step("clear"):
            clearing.join()
    return BuildResult(
        names=request.names,
        image=image,
        builder=acquired.builder,
        run_image=acquired.run_image,
        run_image_name=acquired.run_image_name,
        platform_api=str(acquired.api),
        runtime=str(acquired.selection.runtime.name),
        buildpacks=buildpacks,
        phases=outcomes,
        seconds=clock.total(),
        step_seconds=clock.seconds,
        outputs=tuple(map(str, targets)),
        published=published,
        new_layers=new_layers,
    )


def _acquire(
    request: BuildRequest,
    targets: tuple[ImageLocation, ...],
    tools: Tools,
    observer: BuildObserver,
) -> _Acquired:
    _refuse_taken_names(request, tools.store)
    selection = select_runtime(request.runtime, tools.runner)
    observer.detail(f"runtime {selection.runtime.name}: {selection.reason}")
    builder = acquire_builder(
        tools.store, request.builder, request.platform, request.pull_policy, observer
    )
    origin = str(builder.reference or request.builder)
    sources = ModuleSources(
        store=tools.store,
        paths=tools.paths,
        platform=request.platform,
        policy=request.pull_policy,
        observer=observer,
        ca_cert=request.ca_cert,
    )
    lifecycle = override_lifecycle(
        request.modules.lifecycle,
        BuilderImage.from_config(builder.config, origin=origin),
        sources,
    )
    builder_image = lifecycle.builder
    builder_image = with_mirrors(builder_image, request.run_image_mirrors)
    api = negotiate(builder_image.platform_apis, origin=lifecycle.origin or origin)
    observer.detail(
        f"builder {origin} ({builder.digest}), lifecycle {builder_image.lifecycle_version}, "
        f"Platform API {api}"
    )
    name, run_image = acquire_run_image(
        tools.store,
        builder_image,
        request.run_image,
        request.platform,
        request.pull_policy,
        observer,
        registries=[t.reference.registry for t in targets if t.reference is not None],
        preferred=[name for names in request.run_image_mirrors.values() for name in names],
    )
    observer.detail(f"run image {name} ({run_image.digest})")
    added = add_modules(request.modules, builder_image, sources, labels=builder.config.labels)
    id_map = selection.runtime.id_map(builder_image.uid, builder_image.gid)
    previous = acquire_previous(request, targets, tools, observer)
    return _Acquired(
        selection=selection,
        builder=builder,
        builder_image=builder_image,
        api=api,
        run_image=run_image,
        run_image_name=name,
        rootfs=tools.store.unpack(builder, id_map, tell=observer.step),
        previous=previous,
        added=added,
        lifecycle=lifecycle.folder,
    )


def _refuse_taken_names(request: BuildRequest, store: ImageStore) -> None:
    """What was fetched or made under a name is what others mean by it: a builder, a run image."""
    for name in request.local_names:
        found = store.find(name, request.platform)
        if found is None or (found.source is None and LIFECYCLE_METADATA in found.config.labels):
            continue
        origin = f"came from {found.source}" if found.source is not None else "no build made"
        raise ImageError(
            f"{name} is an image that {origin}; a build cannot replace it",
            hint="choose another name with --tag",
        )


def _inputs(request: BuildRequest, acquired: _Acquired, workspace: Workspace) -> LifecycleInputs:
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
    )


def _write_documents(
    request: BuildRequest,
    tools: Tools,
    acquired: _Acquired,
    workspace: Workspace,
) -> None:
    """What the phases read: images without their layers, run.toml, order.toml, …"""
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
    source: SourceMetadata = source_metadata(
        None if request.archived else request.app_dir, request.metadata, tools.runner
    )
    write_project_metadata(workspace.layers / "project-metadata.toml", source)


def _extend(
    request: BuildRequest,
    targets: tuple[ImageLocation, ...],
    tools: Tools,
    acquired: _Acquired,
    execution: Execution,
    observer: BuildObserver,
) -> "Extended":
    from locald.build.extend import BuildImages, extend

    builder = acquired.builder_image
    images = BuildImages(
        builder=acquired.builder,
        builder_image=builder,
        run_image=acquired.run_image,
        run_image_name=acquired.run_image_name,
        rootfs=acquired.rootfs,
        id_map=acquired.selection.runtime.id_map(builder.uid, builder.gid),
        modules=acquired.added.modules,
        registries=tuple(t.reference.registry for t in targets if t.reference is not None),
    )
    return extend(
        images,
        request,
        store=tools.store,
        runner=tools.runner,
        execution=execution,
        observer=observer,
    )


def _keep(
    request: BuildRequest, tools: Tools, acquired: _Acquired, workspace: Workspace
) -> tuple[StoredImage, frozenset[str]]:
    """The exported image into the store, under all its names; with it, the layers it added."""
    layout = exported_layout(workspace.layout)
    (_, mirrors), *_ = run_toml_images(acquired.builder_image, acquired.run_image_name)
    image = put_right(
        layout,
        run_image=acquired.run_image_name,
        run_image_digest=acquired.run_image.source_digest,
        mirrors=mirrors,
        top_layer=acquired.top_layer,
        labels=image_labels(request.metadata),
        inherited=acquired.run_image.config.labels,
    )
    new_layers = frozenset(str(d) for d in image.layer_digests if layout.has_blob(d))
    return tools.store.commit(layout, request.local_names, request.platform), new_layers


def _delivery(
    request: BuildRequest,
    acquired: _Acquired,
    image: StoredImage,
    targets: tuple[ImageLocation, ...],
) -> Delivery:
    """Where the image goes, and which registries have layers of it."""
    origins: dict[Digest, tuple[Reference, ...]] = {}
    previous, run_image = acquired.previous, acquired.run_image
    if previous is not None and previous.remote is not None:
        for digest in previous.stored.image.layer_digests:
            origins[digest] = (previous.remote,)
    source = run_image.source.reference if run_image.source is not None else None
    if source is not None and source.registry != LOCALHOST:
        for digest in run_image.image.layer_digests:
            pinned = source.with_digest(run_image.source_digest)
            origins[digest] = (pinned, *origins.get(digest, ()))
    owners = ((layer.owner, layer.descriptor) for layer in app_layers(image))
    return Delivery(
        image=image,
        targets=targets,
        platform=request.platform,
        sparse=request.sparse,
        base_layers=frozenset(d.parsed_digest() for owner, d in owners if owner == BASE_OWNER),
        origins=origins,
    )
