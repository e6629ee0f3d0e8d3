"""The workspace of one build: which files of the host its phases see."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lifecycle.app_source import SourceScan, printable
from lifecycle.bindings import BINDINGS, CA_CERTIFICATES, ROOT_VARIABLE, certificate_files
from lifecycle.ca_bundle import (
    builder_bundle,
    certificates,
    host_bundle,
    variables,
    write_joined,
)
from lifecycle.caches import BuildCache
from lifecycle.inputs import mount_paths
from lifecycle.runtime.spec import Mount
from lifecycle.workspace import Workspace
from locald.build.added_modules import AddedModules
from locald.build.observer import BuildObserver
from locald.config.ignore import scan_source
from locald.config.request import BuildRequest
from oci.errors import UsageError

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
    _check_sparse(scan, root.parent)
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
        paths=mount_paths(request.workspace),
        app=request.app_dir,
        hidden=scan.hidden,
        adopted=scan.foreign,
        cache=cache.lifecycle,
        build_cache=cache.build,
        modules=added.mounts,
        lifecycle=lifecycle,
        extra=extra,
        bindings={binding.name: binding.folder for binding in request.mounts.bindings},
        volumes=request.mounts.volumes,
    )
    _check_volumes(workspace, rootfs, request.origins)
    workspace.create()
    env = variables(bundle) if host is not None else {}
    if request.ca_cert is not None and CA_CERTIFICATES not in workspace.bindings:
        # Buildpacks that trust CAs for those after them look for this, not at the bundle.
        workspace.write_binding(CA_CERTIFICATES, certificate_files(certificates(request.ca_cert)))
    if workspace.bindings or request.ca_cert is not None:
        env[ROOT_VARIABLE] = str(workspace.paths.platform / BINDINGS)
    env[BUILD_CACHE_VARIABLE] = str(workspace.paths.build_cache)
    workspace.write_environment({**env, **request.env})
    return workspace


def _check_sparse(scan: SourceScan, work: Path) -> None:
    """The exporter writes every byte of the source into `work` before it is compressed."""
    status = os.statvfs(work)
    free = status.f_bavail * status.f_frsize
    for path, size_bytes in scan.sparse:
        if size_bytes > free:
            raise UsageError(
                f"{printable(str(path))}: a sparse file of {size_bytes} bytes, all of which would "
                f"be in the image; the disk of {work} has {free} bytes free",
                hint="exclude it in locald.toml or project.toml",
            )


def _check_volumes(workspace: Workspace, rootfs: Path, origins: Mapping[str, str]) -> None:
    """No volume by way of a link: it would end up elsewhere. What is not there yet is made."""
    app = workspace.paths.app
    for mount in workspace.volumes:
        below_app = mount.target.is_relative_to(app)
        root, base = (workspace.app, app) if below_app else (rootfs, PurePosixPath("/"))
        inside = mount.target.relative_to(base)
        origin = f"{origins.get(f'volumes.{mount.target}', '--volume')}: {mount.target}"
        for path in (*reversed(inside.parents[:-1]), inside):
            if (root / path).is_symlink():
                raise UsageError(
                    f"{origin}: {base / path} is a link", hint="choose a path without links"
                )
        place = root / inside
        if place.exists() and place.is_dir() != mount.source.is_dir():
            kinds = ("a file", "a folder")
            raise UsageError(
                f"{origin}: it is {kinds[place.is_dir()]} there, "
                f"but {mount.source} is {kinds[mount.source.is_dir()]}"
            )
