"""Assembles a builder image: base image, lifecycle, buildpacks, and labels that tell of them.

The layers, their order and the labels' JSON are those of pack, so that pack and every other
platform can use the result. Source: CNB platform spec 0.15, "Builder"; pack's `builder create`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec
import tomli_w

from lifecycle.base_image import write_image
from lifecycle.builder import (
    GID_VARIABLE,
    LIFECYCLE_APIS_LABEL,
    LIFECYCLE_VERSION_LABEL,
    METADATA_LABEL,
    ORDER_EXTENSIONS_LABEL,
    ORDER_LABEL,
    STACK_LABEL,
    SYSTEM_LABEL,
    UID_VARIABLE,
    ApiVersions,
    LifecycleApis,
    RunImageChoice,
)
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.buildpack_source import BUILDPACK_LAYERS_LABEL, EXTENSION_LAYERS_LABEL
from lifecycle.image_time import rfc3339
from lifecycle.lifecycle_source import Lifecycle
from lifecycle.module import ModuleRef, OrderEntry, SystemModules
from oci.errors import ImageError
from oci.layer_writer import LayerWriter, Owner, WrittenLayer
from oci.layout import Layout, LayoutImage

_MIXINS_LABEL = "io.buildpacks.stack.mixins"
_CNB = PurePosixPath("/cnb")
_LIFECYCLE = _CNB / "lifecycle"
_BUILD_CONFIG = _CNB / "build-config"
_PLATFORM = PurePosixPath("/platform")
_USER_FOLDERS = (PurePosixPath("/workspace"), PurePosixPath("/layers"))
_ROOT_FOLDERS = (
    _CNB, _CNB / "buildpacks", _CNB / "extensions",
    _PLATFORM, _PLATFORM / "env",
    _BUILD_CONFIG, _BUILD_CONFIG / "env",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Creator:
    """Who made the builder; into its metadata."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class BuilderContent:
    """All that goes into a builder on top of its base image.

    build_config: the files of /cnb/build-config/env, by name.
    labels: added to those that describe the builder.
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
    created: int
    creator: Creator


@dataclass(frozen=True)
class _NamedLayer:
    """A layer and who made it, for the image's history."""

    layer: WrittenLayer
    comment: str


def write_builder(layout: Layout, base: LayoutImage, content: BuilderContent) -> LayoutImage:
    """Write the builder into `layout`. The base image's layers are referred to, not copied."""
    config = msgspec.json.decode(base.config_bytes)
    owner = _cnb_user(base)
    _check(content, base)
    layers = [_folders_layer(layout, owner, content), _lifecycle_layer(layout, content)]
    module_layers = {
        (module.kind, str(module)): _module_layer(layout, module, content)
        for module in sorted(content.modules, key=lambda m: (m.kind, m.id, m.version))
    }
    layers += module_layers.values()
    layers += _document_layers(layout, content)
    layers.append(_build_config_layer(layout, content))
    _extend(config, base, layers, content)
    container = config.setdefault("config", {})
    container["User"] = container.get("User") or f"{owner.uid}:{owner.gid}"
    container["WorkingDir"] = "/layers"
    container["Labels"] = {
        **(container.get("Labels") or {}),
        **content.labels,
        **_labels(content, module_layers),
    }
    manifest = msgspec.json.decode(base.manifest_bytes)
    descriptors = [
        *manifest["layers"],
        *(msgspec.to_builtins(named.layer.descriptor) for named in layers),
    ]
    return write_image(layout, config, descriptors)


def _check(content: BuilderContent, base: LayoutImage) -> None:
    lifecycle = content.lifecycle
    known = {(module.kind, module.id, module.version) for module in content.modules}
    for module in content.modules:
        module.check_api(lifecycle.apis.buildpack.all, lifecycle_version=lifecycle.version)
        for entry in module.order:
            for ref in entry.group:
                if (ModuleKind.BUILDPACK, ref.id, ref.version) not in known:
                    raise ImageError(f"{module} needs {ref}, which the builder does not have")
        _check_target(module, base)


def _check_target(module: Buildpack, base: LayoutImage) -> None:
    platform = base.config.platform
    if not module.targets or any(
        target.os in ("", platform.os) and target.arch in ("", platform.architecture)
        for target in module.targets
    ):
        return
    offered = ", ".join(f"{t.os or 'any'}/{t.arch or 'any'}" for t in module.targets)
    raise ImageError(f"{module} is made for {offered}; the build image is {platform}")


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


def _cnb_user(base: LayoutImage) -> Owner:
    env = base.config.config.environment
    for variable in (UID_VARIABLE, GID_VARIABLE):
        if not env.get(variable, "").isdecimal():
            raise ImageError(
                f"the build image does not give a number in the variable {variable}",
                hint=f"its environment needs {UID_VARIABLE} and {GID_VARIABLE}, such as 1000",
            )
    return Owner(int(env[UID_VARIABLE]), int(env[GID_VARIABLE]))


def _folders_layer(layout: Layout, owner: Owner, content: BuilderContent) -> _NamedLayer:
    with LayerWriter(layout, mtime=content.created) as layer:
        for path in _USER_FOLDERS:
            layer.add_folder(path, owner=owner)
        for path in _ROOT_FOLDERS:
            layer.add_folder(path)
    return _NamedLayer(layer.written, "folders of the platform")


def _lifecycle_layer(layout: Layout, content: BuilderContent) -> _NamedLayer:
    lifecycle = content.lifecycle
    with LayerWriter(layout, mtime=content.created) as layer:
        layer.add_tree(lifecycle.folder, _LIFECYCLE)
        for name, target in sorted(lifecycle.links.items()):
            layer.add_link(_LIFECYCLE / name, target)
        layer.add_link(PurePosixPath("/lifecycle"), str(_LIFECYCLE))
    return _NamedLayer(layer.written, f"lifecycle {lifecycle.version}")


def _module_layer(layout: Layout, module: Buildpack, content: BuilderContent) -> _NamedLayer:
    with LayerWriter(layout, mtime=content.created) as layer:
        layer.add_folder(module.container_folder.parent)
        layer.add_tree(module.folder, module.container_folder, allowed_root=module.allowed_root)
    return _NamedLayer(layer.written, f"{module.kind} {module}")


def _document_layers(layout: Layout, content: BuilderContent) -> list[_NamedLayer]:
    """One layer for each file that tells the lifecycle of the builder, as pack has them."""
    order: dict[str, Any] = {"order": _order_tables(content.order, ModuleKind.BUILDPACK)}
    if content.order_extensions:
        order["order-extensions"] = _order_tables(content.order_extensions, ModuleKind.EXTENSION)
    documents: dict[str, Any] = {"order.toml": order}
    if content.system.pre or content.system.post:
        documents["system.toml"] = {"system": _system(content.system)}
    if content.run_images:
        documents["stack.toml"] = {"run-image": _run_image(content.run_images[0])}
    documents["run.toml"] = {"images": [_run_image(run) for run in content.run_images]}
    result = []
    for name, document in documents.items():
        with LayerWriter(layout, mtime=content.created) as layer:
            layer.add_file(_CNB / name, tomli_w.dumps(document).encode())
        result.append(_NamedLayer(layer.written, name))
    return result


def _build_config_layer(layout: Layout, content: BuilderContent) -> _NamedLayer:
    with LayerWriter(layout, mtime=content.created) as layer:
        layer.add_folder(_BUILD_CONFIG / "env")
        for name, value in sorted(content.build_config.items()):
            layer.add_file(_BUILD_CONFIG / "env" / name, value.encode())
    return _NamedLayer(layer.written, "variables for buildpacks")


def _extend(
    config: dict[str, Any],
    base: LayoutImage,
    layers: list[_NamedLayer],
    content: BuilderContent,
) -> None:
    created = rfc3339(content.created)
    config["created"] = created
    config["rootfs"] = {
        "type": "layers",
        "diff_ids": [
            *base.config.rootfs.diff_ids,
            *(str(named.layer.diff_id) for named in layers),
        ],
    }
    history = config.get("history") or []
    if sum(1 for entry in history if not entry.get("empty_layer")) != len(base.manifest.layers):
        # Absent, or at odds with the layers: tools refuse an image whose history does not fit.
        history = [{"created_by": "the build image"} for _ in base.manifest.layers]
    config["history"] = [
        *history,
        *({"created": created, "created_by": named.comment} for named in layers),
    ]


def _labels(
    content: BuilderContent, module_layers: Mapping[tuple[ModuleKind, str], _NamedLayer]
) -> dict[str, str]:
    lifecycle = content.lifecycle
    apis = _apis(lifecycle.apis)
    metadata = {
        "description": content.description,
        "buildpacks": _module_infos(content, ModuleKind.BUILDPACK),
        "extensions": _module_infos(content, ModuleKind.EXTENSION),
        "stack": {"runImage": _label_run_image(content.run_images[:1])},
        "lifecycle": {
            "version": lifecycle.version,
            "api": {
                "buildpack": _earliest(lifecycle.apis.buildpack),
                "platform": _earliest(lifecycle.apis.platform),
            },
            "apis": apis,
        },
        "createdBy": {"name": content.creator.name, "version": content.creator.version},
        "images": [_label_run_image((run,)) for run in content.run_images],
    }
    documents: dict[str, object] = {
        METADATA_LABEL: metadata,
        ORDER_LABEL: content.order,
        ORDER_EXTENSIONS_LABEL: content.order_extensions,
        BUILDPACK_LAYERS_LABEL: _module_labels(content, module_layers, ModuleKind.BUILDPACK),
        EXTENSION_LAYERS_LABEL: _module_labels(content, module_layers, ModuleKind.EXTENSION),
        LIFECYCLE_APIS_LABEL: apis,
        _MIXINS_LABEL: None,
    }
    if content.system.pre or content.system.post:
        documents[SYSTEM_LABEL] = _system(content.system)
    labels = {name: msgspec.json.encode(value).decode() for name, value in documents.items()}
    labels[LIFECYCLE_VERSION_LABEL] = lifecycle.version
    if content.stack_id:
        labels[STACK_LABEL] = content.stack_id
    return labels


def _module_infos(content: BuilderContent, kind: ModuleKind) -> list[object]:
    return [
        {
            **msgspec.to_builtins(module.info),
            **({"keywords": module.keywords} if module.keywords else {}),
            # pack's own spelling: its type has no JSON names.
            **(
                {"licenses": [{"type": entry.type, "uri": entry.uri} for entry in module.licenses]}
                if module.licenses
                else {}
            ),
        }
        for module in content.modules
        if module.kind is kind
    ]


def _module_labels(
    content: BuilderContent,
    layers: Mapping[tuple[ModuleKind, str], _NamedLayer],
    kind: ModuleKind,
) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for module in sorted(content.modules, key=lambda m: (m.id, m.version)):
        if module.kind is not kind:
            continue
        result.setdefault(module.id, {})[module.version] = {
            "api": module.api,
            **({"stacks": module.stacks} if module.stacks else {}),
            **(
                {"targets": [_label_target(target) for target in module.targets]}
                if module.targets
                else {}
            ),
            **({"order": module.order} if module.order else {}),
            "layerDiffID": str(layers[kind, str(module)].layer.diff_id),
            **({"homepage": module.homepage} if module.homepage else {}),
            **({"name": module.name} if module.name else {}),
        }
    return result


def _label_target(target: Any) -> dict[str, Any]:
    return {"os": target.os, "arch": target.arch, **msgspec.to_builtins(target)}


def _apis(apis: LifecycleApis) -> dict[str, Any]:
    return {
        kind: {"deprecated": list(api.deprecated or ()), "supported": list(api.supported or ())}
        for kind, api in (("buildpack", apis.buildpack), ("platform", apis.platform))
    }


def _earliest(api: ApiVersions) -> str:
    return min(api.all, key=lambda version: [int(part) for part in version.split(".")])


def _order_tables(order: Iterable[OrderEntry], kind: ModuleKind) -> list[dict[str, Any]]:
    return [
        {
            "group": [
                {
                    "id": ref.id,
                    "version": ref.version,
                    # Extensions are always optional; the lifecycle refuses the key for them.
                    **({"optional": True} if ref.optional and kind is ModuleKind.BUILDPACK else {}),
                }
                for ref in entry.group
            ]
        }
        for entry in order
    ]


def _system(system: SystemModules) -> dict[str, Any]:
    return {
        name: {"buildpacks": [msgspec.to_builtins(ref) for ref in refs]}
        for name, refs in (("pre", system.pre), ("post", system.post))
        if refs
    }


def _run_image(run: RunImageChoice) -> dict[str, Any]:
    return {"image": run.image, "mirrors": list(run.mirrors)}


def _label_run_image(choice: tuple[RunImageChoice, ...]) -> dict[str, Any]:
    run = choice[0] if choice else RunImageChoice("")
    return {"image": run.image, "mirrors": list(run.mirrors) or None}
