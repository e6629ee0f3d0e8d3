"""Assembles a builder image: base image, lifecycle, buildpacks, and labels that tell of them.

The layers, their order and the labels' JSON are those of pack, so that pack and every other
platform can use the result. Source: CNB platform spec 0.15, "Builder"; pack's `builder create`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec
import tomli_w

from lifecycle.builder import (
    GID_VARIABLE,
    UID_VARIABLE,
    RunImageChoice,
)
from lifecycle.builder_content import BuilderContent, check_content, system_table
from lifecycle.builder_labels import builder_labels
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.image_time import rfc3339
from lifecycle.module import OrderEntry
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


@dataclass(frozen=True)
class _NamedLayer:
    """A layer and who made it, for the image's history."""

    layer: WrittenLayer
    comment: str


def write_builder(layout: Layout, base: LayoutImage, content: BuilderContent) -> LayoutImage:
    """Write the builder into `layout`. The base image's layers are referred to, not copied."""
    config = msgspec.json.decode(base.config_bytes)
    owner = _cnb_user(base)
    check_content(content, base)
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
        **builder_labels(
            content, {key: named.layer.diff_id for key, named in module_layers.items()}
        ),
    }
    manifest = msgspec.json.decode(base.manifest_bytes)
    descriptors = [
        *manifest["layers"],
        *(msgspec.to_builtins(named.layer.descriptor) for named in layers),
    ]
    return layout.write_image(config, descriptors, annotations=content.annotations)


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
        documents["system.toml"] = {"system": system_table(content.system)}
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
        # podman's API reads `created` of every entry.
        history = [
            {"created": created, "created_by": "the build image"} for _ in base.manifest.layers
        ]
    config["history"] = [
        *history,
        *({"created": created, "created_by": named.comment} for named in layers),
    ]


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


def _run_image(run: RunImageChoice) -> dict[str, Any]:
    return {"image": run.image, "mirrors": list(run.mirrors)}
