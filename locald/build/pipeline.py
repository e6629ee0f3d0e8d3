"""One build, from a request to a delivered image.

acquire   runtime, builder, run image
prepare   the folders of this build, what the phases are told
execute   five phases, each in a container of its own
keep      the exported image, put right, into the store in one atomic step
deliver   copies to where the user wants them
"""

import functools
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from lifecycle.app_image import BASE_OWNER, app_layers
from lifecycle.caches import BuildCache
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
from lifecycle.layout_dir import exported_layout, place_previous_image, place_run_image
from lifecycle.phase import Phase
from lifecycle.run_image import run_toml_images
from lifecycle.workspace import Workspace
from locald.build.acquired import Acquired, acquire_all
from locald.build.artifacts import Artifacts
from locald.build.background import Background, complete_beside
from locald.build.caching import open_cache
from locald.build.creation_time import created_seconds
from locald.build.deliver import Delivery, deliver, destinations, wants_base
from locald.build.detect_only import for_detection
from locald.build.ledger import Inputs, Ledger
from locald.build.observer import BuildObserver
from locald.build.phases import TO_BUILD, TO_DETECTION, TO_EXPORT, run_phases
from locald.build.process_type import check_process_type
from locald.build.secrets import SecretGuard, clear_unsearched, read_secrets
from locald.build.source_metadata import image_labels, source_metadata
from locald.build.tools import Tools
from locald.build.workshop import make_workspace
from locald.config.request import BuildRequest
from oci.cancellation import time_limit
from oci.digest import Digest
from oci.errors import BusyError
from oci.location import ImageLocation
from oci.reference import LOCALHOST, Reference
from oci.scratch import scratch_folder
from oci.store import StoredImage

if TYPE_CHECKING:
    from locald.build.comparison import Comparison
    from locald.build.extend import Extended

_PROXY_VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


def build(request: BuildRequest, tools: Tools, observer: BuildObserver, ledger: Ledger) -> None:
    """Build one image, or only detect what would build it; the ledger tells how it went.

    Raises `oci.errors.Error`; nothing half-made stays visible.
    """
    with time_limit(request.timeout_seconds, lambda: _out_of_time(request)):
        _build(request, tools, observer, ledger)


def _out_of_time(request: BuildRequest) -> BusyError:
    return BusyError(
        f"{request.origins['timeout_seconds']}: the build did not end within "
        f"{request.timeout_seconds} s",
        hint="give it more time with --timeout; the last image is as it was",
    )


def _build(request: BuildRequest, tools: Tools, observer: BuildObserver, ledger: Ledger) -> None:
    clock = ledger.clock
    targets = destinations(request.outputs, request.names)
    secrets = read_secrets(request, os.environ, observer)
    with ExitStack() as stack:
        if request.detect_only:
            request = stack.enter_context(for_detection(request, tools))
        with clock.step("acquire"):
            acquired = acquire_all(request, targets, tools, observer)
        # An extension may choose another run image; then its layers are the ones to fetch.
        extensible = bool(acquired.added.order_extensions)
        wanted = not request.detect_only and wants_base(targets, sparse=request.sparse)
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
        clear_unsearched(cache, tools.runner, observer)
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
        revision = functools.cache(
            lambda: source_metadata(
                None if request.archived else request.app_dir, request.metadata, tools.runner
            )
        )
        ledger.inputs = _ledger_inputs(acquired, cache)
        comparison = None
        if request.if_changed is not None or request.artifacts.report is not None:
            with clock.step("compare"):
                comparison = _compare(
                    request, tools, acquired, workspace, revision, cache, observer
                )
            ledger.compared(comparison)
        if comparison is not None and comparison.image is not None:
            with clock.step("deliver"):
                base.join()
                ledger.unchanged(comparison, targets)
                missing = tuple(t for t in targets if not comparison.is_there(t))
                delivery = _delivery(request, acquired, comparison.image, missing)
                ledger.published = deliver(
                    delivery, store=tools.store, skopeo=tools.skopeo, observer=observer
                )
            comparison.delivered(targets)
            comparison.artifacts().write(request.artifacts)
            return
        execution = Execution(
            name=f"locald-{root.name}",
            rootfs=acquired.rootfs,
            inputs=_inputs(request, tools, acquired, workspace),
            workspace=workspace,
            image_env=acquired.builder_image.env,
            proxy_env={n: os.environ[n] for n in _PROXY_VARIABLES if os.environ.get(n)},
            network=request.network,
            disk_watch=DiskWatch((root, cache.root)),
            secrets=secrets,
        )
        guard = SecretGuard(
            secrets, cache, workspace.layers, runner=tools.runner, observer=observer
        )
        with clock.step("sandbox"):
            sandbox = workshop.enter_context(acquired.selection.runtime.open(workspace.sandbox))
        # Containers are made ready while other things go on; each starts in its turn.
        for phase in TO_DETECTION if extensible or request.detect_only else Phase:
            sandbox.prepare(execution.spec(phase))
        with clock.step("prepare"):
            _write_documents(request, revision(), acquired, workspace)
        run_phases(TO_DETECTION, execution, sandbox, observer, ledger)
        ledger.detected(read_group(workspace.layers))
        if request.detect_only:
            return
        if extensible:
            with clock.step("extend"):
                extended = _extend(request, targets, tools, acquired, execution, observer)
            acquired = replace(
                acquired,
                run_image=extended.run_image,
                run_image_name=extended.run_image_name,
                top_layer=extended.top_layer,
            )
            ledger.extended(acquired.run_image, str(acquired.run_image_name))
            base = complete_beside(tools.store, acquired.run_image, request.platform, needed=wanted)
            execution = replace(execution, build_root=extended.build_root)
            for phase in (*TO_BUILD, *TO_EXPORT):
                sandbox.prepare(execution.spec(phase))
        with guard.watching():
            run_phases(TO_BUILD, execution, sandbox, observer, ledger)
            check_process_type(request, workspace.layers)
            run_phases(TO_EXPORT, execution, sandbox, observer, ledger)
        with clock.step("keep"):
            image, new_layers = _keep(request, tools, acquired, workspace, guard)
            remembering = comparison is not None and comparison.wanted
            if request.artifacts.from_build or remembering:
                left = Artifacts.of_build(workspace.layers, image, request.names)
                left.write(request.artifacts)
                if comparison is not None:
                    comparison.remember(image, ledger.buildpacks, left)
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
        if comparison is not None:
            comparison.delivered(targets)
        ledger.built(image, new_layers, tuple(map(str, targets)), published)
        with clock.step("cache"):
            opened.send()
        with clock.step("clear"):
            clearing.join()


def _compare(
    request: BuildRequest,
    tools: Tools,
    acquired: Acquired,
    workspace: Workspace,
    revision: Callable[[], SourceMetadata],
    cache: BuildCache,
    observer: BuildObserver,
) -> "Comparison":
    # 10 ms, and most builds neither ask for it nor write a report.
    from locald.build.comparison import Comparison, Ingredients

    ingredients = Ingredients(
        request=request,
        builder=acquired.builder,
        run_image=(str(acquired.run_image_name), acquired.run_image),
        workspace=workspace,
        revision=revision,
        cache=cache.root,
    )
    # What a Dockerfile of an extension brings from elsewhere, nobody can tell.
    able = not acquired.added.order_extensions
    return Comparison(ingredients, tools.store, observer, able=able)


def _ledger_inputs(acquired: Acquired, cache: BuildCache) -> Inputs:
    return Inputs(
        builder=acquired.builder,
        lifecycle_version=acquired.builder_image.lifecycle_version,
        run_image=acquired.run_image,
        run_image_name=str(acquired.run_image_name),
        previous=acquired.previous.stored if acquired.previous is not None else None,
        platform_api=acquired.api,
        runtime=str(acquired.selection.runtime.name),
        cache=cache.root.name,
    )


def _inputs(
    request: BuildRequest, tools: Tools, acquired: Acquired, workspace: Workspace
) -> LifecycleInputs:
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
        created_seconds=created_seconds(request, tools.runner),
    )


def _write_documents(
    request: BuildRequest,
    revision: SourceMetadata,
    acquired: Acquired,
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
    write_project_metadata(workspace.layers / "project-metadata.toml", revision)


def _extend(
    request: BuildRequest,
    targets: tuple[ImageLocation, ...],
    tools: Tools,
    acquired: Acquired,
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
    request: BuildRequest,
    tools: Tools,
    acquired: Acquired,
    workspace: Workspace,
    guard: SecretGuard,
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
    guard.check(layout, image, tools.store)
    new_layers = frozenset(str(d) for d in image.layer_digests if layout.has_blob(d))
    return tools.store.commit(layout, request.local_names, request.platform), new_layers


def _delivery(
    request: BuildRequest,
    acquired: Acquired,
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
