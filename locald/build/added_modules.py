"""The modules that a build adds to its builder: where they are mounted, the order that names them.

The builder itself is never changed: each module is mounted, read-only, where the builder would
have it (over the builder's own of the same version), and this build has an order of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lifecycle.builder import BuilderImage
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry
from lifecycle.module_graph import builder_orders, check_graph
from lifecycle.runtime.spec import Mount
from locald.build.module_sources import ModuleSources, told_of
from locald.config.module_source import BuilderOrder, ModuleEntry, ModuleId, ModuleName
from locald.config.modules import ModuleRequest
from oci.errors import ImageError, UsageError
from oci.tree_digest import digest_tree


@dataclass(frozen=True, kw_only=True)
class AddedModules:
    """modules: what is mounted. order, order_extensions: this build's, all versions filled in;
    the builder's where nothing else was asked for. own_order: do they differ from it?"""

    modules: tuple[Buildpack, ...]
    order: tuple[OrderEntry, ...]
    order_extensions: tuple[OrderEntry, ...]
    own_order: bool

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Each module's folder, where the detector looks for it."""
        return tuple(
            Mount(source=module.folder, target=module.container_folder, read_only=True)
            for module in self.modules
        )

    def folder(self, kind: ModuleKind, module_id: str, version: str) -> Path | None:
        """Where an added module's files are on this host; None for the builder's own."""
        wanted = (kind, module_id, version)
        return next((m.folder for m in self.modules if (m.kind, m.id, m.version) == wanted), None)


def add_modules(
    request: ModuleRequest,
    builder: BuilderImage,
    sources: ModuleSources,
    *,
    labels: Mapping[str, str],
) -> AddedModules:
    """Find what the request names. labels: the builder's, for what its composites are made of."""
    if not (request.order or request.pre or request.post or request.extensions):
        return AddedModules(
            modules=(),
            order=builder.order,
            order_extensions=builder.order_extensions,
            own_order=False,
        )
    pool = _Pool(builder, sources)
    order = _order(request, pool) if request.order else _around(request, pool)
    extensions = pool.versions(builder.order_extensions, ModuleKind.EXTENSION)
    if request.extensions:
        refs = tuple(pool.ref(entry, ModuleKind.EXTENSION) for entry in request.extensions)
        extensions = (OrderEntry(refs),)
    added = pool.modules
    if any(module.composite for module in added):
        check_graph(
            added,
            {(known.id, known.version) for known in builder.buildpacks},
            builder_orders(labels, origin="the builder"),
        )
    for module in added:
        sources.observer.detail(f"{module.kind} {module} from {module.folder}")
    return AddedModules(modules=added, order=order, order_extensions=extensions, own_order=True)


class _Pool:
    """The modules found so far."""

    def __init__(self, builder: BuilderImage, sources: ModuleSources) -> None:
        self.builder = builder
        self._sources = sources
        self._found: dict[tuple[ModuleKind, str], Buildpack] = {}

    @property
    def modules(self) -> tuple[Buildpack, ...]:
        return tuple(self._found.values())

    def ref(self, entry: ModuleEntry, kind: ModuleKind) -> ModuleRef:
        """The entry's module, by its name in an order."""
        with told_of(entry.origin):
            source = entry.source
            if isinstance(source, ModuleId):
                return self._held(source, kind, optional=entry.optional)
            if isinstance(source, ModuleName):
                if source.id is not None and (source.image is None or self._holds(source.id, kind)):
                    return self._held(source.id, kind, optional=entry.optional)
                try:
                    main = self._add(entry, kind)
                except ImageError as error:
                    if source.id is None:
                        raise
                    raise ImageError(
                        f"the builder has no {kind} {source}, and as an image: {error.message}",
                        details=error.details,
                        hint=self._known(kind) or error.hint,
                    ) from error
            else:
                main = self._add(entry, kind)
            return ModuleRef(main.id, main.version, entry.optional)

    def versions(self, order: Iterable[OrderEntry], kind: ModuleKind) -> tuple[OrderEntry, ...]:
        """A builder's order with the versions that it leaves to be found."""
        return tuple(
            OrderEntry(
                tuple(
                    ref
                    if ref.version
                    else self._held(ModuleId(ref.id), kind, optional=ref.optional)
                    for ref in entry.group
                )
            )
            for entry in order
        )

    def _add(self, entry: ModuleEntry, kind: ModuleKind) -> Buildpack:
        modules = self._sources.modules(entry.source, limit=entry.limit)
        main = modules[0]
        if main.kind is not kind:
            flag = "--extension" if main.kind is ModuleKind.EXTENSION else "--buildpack"
            raise ImageError(
                f"{entry.source}: {main} is {_with_article(main.kind)}, not {_with_article(kind)}",
                hint=f"name it with {flag}",
            )
        for module in modules:
            self._keep(module)
        return main

    def _keep(self, module: Buildpack) -> None:
        module.check_api(
            self.builder.buildpack_apis, lifecycle_version=self.builder.lifecycle_version
        )
        module.check_platform(self._sources.platform, what="what is built")
        key = (module.kind, str(module))
        other = self._found.setdefault(key, module)
        # Buildpackages may share buildpacks; under one name there can be only one content.
        if other.folder != module.folder and (
            digest_tree(other.folder) != digest_tree(module.folder)
        ):
            raise ImageError(
                f"two different {module.kind}s are called {module}: "
                f"{other.folder} and {module.folder}",
                hint="give one of them another version",
            )

    def _holds(self, wanted: ModuleId, kind: ModuleKind) -> bool:
        return any(
            info.id == wanted.id and wanted.version in ("", info.version)
            for info in self._infos(kind)
        )

    def _held(self, wanted: ModuleId, kind: ModuleKind, *, optional: bool) -> ModuleRef:
        """What the builder has of that name; the version is filled in."""
        versions = [info.version for info in self._infos(kind) if info.id == wanted.id]
        if not versions:
            raise ImageError(f"{wanted.id}: the builder has no such {kind}", hint=self._known(kind))
        if wanted.version:
            if wanted.version not in versions:
                raise ImageError(
                    f"{wanted}: the builder does not have this version",
                    hint=f"it has: {', '.join(versions)}",
                )
            return ModuleRef(wanted.id, wanted.version, optional)
        if len(versions) > 1:
            raise ImageError(
                f"{wanted.id}: the builder has several versions",
                hint=f"choose one: {', '.join(f'{wanted.id}@{v}' for v in versions)}",
            )
        return ModuleRef(wanted.id, versions[0], optional)

    def _infos(self, kind: ModuleKind) -> tuple[ModuleInfo, ...]:
        is_extension = kind is ModuleKind.EXTENSION
        return self.builder.extensions if is_extension else self.builder.buildpacks

    def _known(self, kind: ModuleKind) -> str:
        known = ", ".join(sorted({info.id for info in self._infos(kind)}))
        return f"it has: {known}" if known else ""


def _order(request: ModuleRequest, pool: _Pool) -> tuple[OrderEntry, ...]:
    """One group of all entries; each of the builder's groups in it where `from=builder` stands."""
    groups: tuple[tuple[ModuleRef, ...], ...] = ((),)
    spliced = False
    for entry in request.order:
        if not isinstance(entry.source, BuilderOrder):
            ref = pool.ref(entry, ModuleKind.BUILDPACK)
            groups = tuple((*group, ref) for group in groups)
            continue
        if spliced:
            raise UsageError(f"{entry.origin}: {entry.source} may be given only once")
        spliced = True
        groups = tuple(
            (*group, *added.group)
            for added in _builder_groups(pool, entry.origin)
            for group in groups
        )
    return tuple(map(OrderEntry, groups))


def _around(request: ModuleRequest, pool: _Pool) -> tuple[OrderEntry, ...]:
    """The builder's order with what comes before and after each of its groups."""
    for entry in (*request.pre, *request.post):
        if isinstance(entry.source, BuilderOrder):
            raise UsageError(
                f"{entry.origin}: {entry.source} is already what it stands around",
                hint="name a buildpack",
            )
    around = (*request.pre, *request.post, *request.extensions)
    builder_order = _builder_groups(pool, around[0].origin)
    pre = tuple(pool.ref(entry, ModuleKind.BUILDPACK) for entry in request.pre)
    post = tuple(pool.ref(entry, ModuleKind.BUILDPACK) for entry in request.post)
    return tuple(OrderEntry((*pre, *entry.group, *post)) for entry in builder_order)


def _builder_groups(pool: _Pool, origin: str) -> tuple[OrderEntry, ...]:
    if not pool.builder.order:
        raise ImageError(
            f"{origin}: the builder has no order of its own",
            hint="name all buildpacks with --buildpack",
        )
    return pool.versions(pool.builder.order, ModuleKind.BUILDPACK)


def _with_article(kind: ModuleKind) -> str:
    return "an image extension" if kind is ModuleKind.EXTENSION else "a buildpack"
