"""What a builder is made of, and whether its parts fit together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lifecycle.builder import RunImageChoice
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.lifecycle_source import Lifecycle
from lifecycle.module import ModuleRef, OrderEntry, SystemModules
from oci.errors import ImageError
from oci.layout import LayoutImage


@dataclass(frozen=True, kw_only=True)
class Creator:
    """Who made the builder; into its metadata."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class BuilderContent:
    """All that goes into a builder on top of its base image.

    build_config: the files of /cnb/build-config/env, by name.
    labels: added to those that describe the builder. annotations: of the manifest.
    """

    description: str
    lifecycle: Lifecycle
    modules: tuple[Buildpack, ...]
    order: tuple[OrderEntry, ...]
    order_extensions: tuple[OrderEntry, ...]
    system: SystemModules
    run_images: tuple[RunImageChoice, ...]
    build_config: Mapping[str, str]
    stack_id: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    created: int
    creator: Creator


def check_content(content: BuilderContent, base: LayoutImage) -> None:
    """Raise ImageError when a module does not fit the lifecycle, the base image or the others."""
    lifecycle = content.lifecycle
    known = {(module.kind, module.id, module.version) for module in content.modules}
    for module in content.modules:
        module.check_api(lifecycle.apis.buildpack.all, lifecycle_version=lifecycle.version)
        for entry in module.order:
            for ref in entry.group:
                if (ModuleKind.BUILDPACK, ref.id, ref.version) not in known:
                    raise ImageError(f"{module} needs {ref}, which the builder does not have")
        module.check_platform(base.config.platform, what="the build image")


def resolve_order(
    order: Iterable[OrderEntry], modules: Iterable[Buildpack], kind: ModuleKind
) -> tuple[OrderEntry, ...]:
    """The order with every version filled in; raises ImageError for what no module matches."""
    versions: dict[str, list[str]] = {}
    for module in modules:
        if module.kind is kind:
            versions.setdefault(module.id, []).append(module.version)
    return tuple(
        OrderEntry(tuple(_resolve(ref, versions, kind) for ref in entry.group)) for entry in order
    )


def _resolve(ref: ModuleRef, versions: Mapping[str, list[str]], kind: ModuleKind) -> ModuleRef:
    offered = versions.get(ref.id, [])
    if not offered:
        raise ImageError(f"the order names the {kind} {ref}, which the builder does not have")
    if ref.version:
        if ref.version not in offered:
            raise ImageError(
                f"the order names the {kind} {ref}, which the builder does not have",
                hint=f"it has: {', '.join(f'{ref.id}@{version}' for version in offered)}",
            )
        return ref
    if len(set(offered)) > 1:
        raise ImageError(
            f"the order names the {kind} {ref.id} without a version, and there are several",
            hint=f"write one of: {', '.join(offered)}",
        )
    return ModuleRef(ref.id, offered[0], ref.optional)


def system_table(system: SystemModules) -> dict[str, Any]:
    """As system.toml and its label have it."""
    return {
        name: {"buildpacks": [msgspec.to_builtins(ref) for ref in refs]}
        for name, refs in (("pre", system.pre), ("post", system.post))
        if refs
    }
