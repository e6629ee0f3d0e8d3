"""The workspace of one build: which files of the host its phases see."""

from pathlib import Path

from lifecycle.ca_bundle import builder_bundle, host_bundle, variables, write_joined
from lifecycle.caches import BuildCache
from lifecycle.inputs import MountPaths
from lifecycle.runtime.spec import Mount
from lifecycle.workspace import Workspace
from locald.build.added_modules import AddedModules
from locald.build.observer import BuildObserver
from locald.config.ignore import scan_source
from locald.config.request import BuildRequest

# What buildpacks find the folder for their own caches by (docs/caching.md).
BUILD_CACHE_VARIABLE = "LOCALD_BUILD_CACHE"


def make_workspace(
    request: BuildRequest,
    *,
    root: Path,
    rootfs: Path,
    cache: BuildCache,
    added: AddedModules,
    lifecycle: Path | None,
    observer: BuildObserver,
) -> Workspace:
    """Make the folders of a build below `root`, which does not exist yet.

    rootfs: the builder's, unpacked. lifecycle: another than the builder's.
    """
    scan = scan_source(request.app_dir, request.source_rules)
    for note in scan.notes:
        observer.note(note)
    observer.detail(
        f"source: {scan.files} files, {scan.size_bytes} bytes, {len(scan.hidden)} paths hidden"
    )
    extra: tuple[Mount, ...] = ()
    host = host_bundle(request.ca_cert)
    bundle = builder_bundle(rootfs)
    if host is not None:
        joined = root.parent / "ca-certificates.crt"
        inside = rootfs / bundle.relative_to("/")
        write_joined(joined, [p for p in (inside, host) if p.is_file()])
        extra = (Mount(source=joined, target=bundle, read_only=True),)
    workspace = Workspace(
        root=root,
        paths=MountPaths(),
        app=request.app_dir,
        hidden=scan.hidden,
        adopted=scan.foreign,
        cache=cache.lifecycle,
        build_cache=cache.build,
        modules=added.mounts,
        lifecycle=lifecycle,
        extra=extra,
    )
    workspace.create()
    env = variables(bundle) if host is not None else {}
    env[BUILD_CACHE_VARIABLE] = str(workspace.paths.build_cache)
    workspace.write_environment({**env, **request.env})
    return workspace
