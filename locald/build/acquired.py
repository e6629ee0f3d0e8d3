"""What must be on this host before a phase can run: a runtime, images, buildpacks."""

from dataclasses import dataclass
from pathlib import Path

from lifecycle.builder import BuilderImage
from lifecycle.labels import LIFECYCLE_METADATA
from lifecycle.platform_api import PlatformApi, negotiate
from lifecycle.run_image import with_mirrors
from lifecycle.runtime.select import Selection, select_runtime
from locald.build.acquire import acquire_builder, acquire_run_image
from locald.build.added_modules import AddedModules, add_modules
from locald.build.exec_env import of_same_exec_env, tell_exec_env
from locald.build.lifecycle_override import override_lifecycle
from locald.build.module_sources import ModuleSources
from locald.build.observer import BuildObserver
from locald.build.previous import PreviousImage, acquire_previous
from locald.build.tools import Tools
from locald.config.request import BuildRequest
from oci.emulation import require_runnable
from oci.errors import ImageError
from oci.location import ImageLocation
from oci.reference import Reference
from oci.store import ImageStore, StoredImage


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """All of it.

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


def acquire_all(
    request: BuildRequest,
    targets: tuple[ImageLocation, ...],
    tools: Tools,
    observer: BuildObserver,
) -> Acquired:
    require_runnable(request.platform)
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
    builder_image = lifecycle.builder.with_user(request.uid, request.gid)
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
    tell_exec_env(request, api, observer)
    previous = of_same_exec_env(
        acquire_previous(request, targets, tools, observer), request, api, observer
    )
    return Acquired(
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
