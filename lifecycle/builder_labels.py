"""The labels of a builder, as pack writes them: the JSON has no specification but its code."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lifecycle.builder import (
    LIFECYCLE_APIS_LABEL,
    LIFECYCLE_VERSION_LABEL,
    METADATA_LABEL,
    ORDER_EXTENSIONS_LABEL,
    ORDER_LABEL,
    STACK_LABEL,
    SYSTEM_LABEL,
    ApiVersions,
    LifecycleApis,
    RunImageChoice,
)
from lifecycle.builder_content import BuilderContent, system_table
from lifecycle.buildpack import ModuleKind, Target
from lifecycle.buildpack_source import BUILDPACK_LAYERS_LABEL, EXTENSION_LAYERS_LABEL
from oci.digest import Digest

ModuleDiffIds = Mapping[tuple[ModuleKind, str], Digest]
"""By kind and `id@version`."""

_MIXINS_LABEL = "io.buildpacks.stack.mixins"


def builder_labels(content: BuilderContent, diff_ids: ModuleDiffIds) -> dict[str, str]:
    """All labels that describe the builder; `diff_ids` of its modules' layers."""
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
        BUILDPACK_LAYERS_LABEL: _module_labels(content, diff_ids, ModuleKind.BUILDPACK),
        EXTENSION_LAYERS_LABEL: _module_labels(content, diff_ids, ModuleKind.EXTENSION),
        LIFECYCLE_APIS_LABEL: apis,
        _MIXINS_LABEL: None,
    }
    if content.system.pre or content.system.post:
        documents[SYSTEM_LABEL] = system_table(content.system)
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
            **({"clear-env": True} if module.clear_env else {}),
            # pack's spelling: its type for licenses gives no names for JSON.
            **(
                {"licenses": [{"Type": entry.type, "URI": entry.uri} for entry in module.licenses]}
                if module.licenses
                else {}
            ),
        }
        for module in content.modules
        if module.kind is kind
    ]


def _module_labels(
    content: BuilderContent,
    diff_ids: ModuleDiffIds,
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
            "layerDiffID": str(diff_ids[kind, str(module)]),
            **({"homepage": module.homepage} if module.homepage else {}),
            **({"name": module.name} if module.name else {}),
        }
    return result


def _label_target(target: Target) -> dict[str, Any]:
    return {"os": target.os, "arch": target.arch, **msgspec.to_builtins(target)}


def _apis(apis: LifecycleApis) -> dict[str, Any]:
    return {
        kind: {"deprecated": list(api.deprecated or ()), "supported": list(api.supported or ())}
        for kind, api in (("buildpack", apis.buildpack), ("platform", apis.platform))
    }


def _earliest(api: ApiVersions) -> str:
    return min(api.all, key=lambda version: [int(part) for part in version.split(".")])


def _label_run_image(choice: tuple[RunImageChoice, ...]) -> dict[str, Any]:
    run = choice[0] if choice else RunImageChoice("")
    return {"image": run.image, "mirrors": list(run.mirrors) or None}
