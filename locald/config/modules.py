"""The buildpacks and extensions of a request, and the lifecycle that runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

from locald.config.descriptor_buildpacks import descriptor_entries
from locald.config.module_source import (
    ModuleEntry,
    ModuleImage,
    ModulePath,
    ModuleUrl,
    parse_lifecycle,
    parse_module,
    split_modules,
)
from locald.config.project_files import blamed_on
from locald.config.project_toml import BuildpackEntry
from locald.config.resolution import Resolution

LifecycleSource: TypeAlias = ModulePath | ModuleUrl | ModuleImage


@dataclass(frozen=True, kw_only=True)
class LifecycleEntry:
    """The lifecycle to run, and the flag or key that names it."""

    source: LifecycleSource
    origin: str


@dataclass(frozen=True, kw_only=True)
class ModuleRequest:
    """What is asked of the buildpacks; empty leaves everything to the builder.

    order: instead of the builder's order, one group. pre, post: before and after each group of
        the builder's order; empty where there is an order. extensions: instead of the builder's.
    system: do the buildpacks that the builder adds to every build take part?
    lifecycle: None leaves it to the builder.
    """

    order: tuple[ModuleEntry, ...] = ()
    pre: tuple[ModuleEntry, ...] = ()
    post: tuple[ModuleEntry, ...] = ()
    extensions: tuple[ModuleEntry, ...] = ()
    system: bool = True
    lifecycle: LifecycleEntry | None = None


class _Rank(IntEnum):
    """Who said it; the stronger is the greater."""

    BUILDER = 0
    DESCRIPTOR = 1
    LOCALD = 2
    FLAG = 3


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """A list, who said it, and where."""

    entries: tuple[ModuleEntry, ...] = ()
    rank: _Rank = _Rank.BUILDER
    origin: str = ""


def resolve_modules(resolution: Resolution, exec_env: str) -> ModuleRequest:
    """Flags > locald.toml > project.toml, each list for itself.

    A list of the whole order leaves no room for pre and post, whoever says them, as with pack.
    """
    flags, build, descriptor = resolution.flags, resolution.build, resolution.descriptor
    order = _list(
        resolution,
        "buildpacks",
        ("--buildpack", flags.buildpacks),
        build.buildpacks,
        ("group", descriptor.group if descriptor is not None else ()),
        exec_env,
    )
    pre = _list(
        resolution,
        "pre",
        ("--pre-buildpack", flags.pre_buildpacks),
        build.pre,
        ("pre", descriptor.pre if descriptor is not None else ()),
        exec_env,
    )
    post = _list(
        resolution,
        "post",
        ("--post-buildpack", flags.post_buildpacks),
        build.post,
        ("post", descriptor.post if descriptor is not None else ()),
        exec_env,
    )
    extensions = _list(
        resolution,
        "extensions",
        ("--extension", flags.extensions),
        build.extensions,
        ("extensions", ()),
        exec_env,
    )
    if order.entries:
        for name, one in (("pre", pre), ("post", post)):
            # What a weaker source says around the builder's order is simply overridden.
            if one.entries and one.rank >= order.rank:
                resolution.notes.append(
                    f"{one.origin} has no effect: {order.origin} says the whole order"
                )
            resolution.origins.pop(name, None)
        pre = post = _Chosen()
    return ModuleRequest(
        order=order.entries,
        pre=pre.entries,
        post=post.entries,
        extensions=extensions.entries,
        system=_system(resolution),
        lifecycle=_lifecycle(resolution),
    )


def _list(
    resolution: Resolution,
    name: str,
    flag: tuple[str, Sequence[str]],
    keyed: tuple[str, ...] | None,
    described: tuple[str, tuple[BuildpackEntry, ...]],
    exec_env: str,
) -> _Chosen:
    """One list: a flag's texts, else locald.toml's (an empty one too), else project.toml's."""
    flag_name, texts = flag
    if texts:
        resolution.origins[name] = flag_name
        with blamed_on(flag_name):
            entries = tuple(
                ModuleEntry(source=parse_module(text, relative_to=Path.cwd()), origin=flag_name)
                for text in split_modules(tuple(texts))
            )
        return _Chosen(entries=entries, rank=_Rank.FLAG, origin=flag_name)
    if keyed is not None:
        key = resolution.key(name)
        resolution.origins[name] = key
        return _Chosen(
            entries=tuple(
                _project_entry(text, f"{key}[{index}]", resolution.folder)
                for index, text in enumerate(keyed)
            ),
            rank=_Rank.LOCALD,
            origin=key,
        )
    field, listed = described
    if not listed:
        return _Chosen()
    key = resolution.descriptor_key(field)
    folder, limit = resolution.files.descriptor_folder, resolution.files.descriptor_limit
    entries = descriptor_entries(listed, exec_env, folder=folder, limit=limit, key=key)
    if not entries:
        return _Chosen()
    resolution.origins[name] = key
    return _Chosen(entries=entries, rank=_Rank.DESCRIPTOR, origin=key)


def _project_entry(text: str, origin: str, folder: Path) -> ModuleEntry:
    with blamed_on(origin):
        source = parse_module(text, relative_to=folder, limit=folder)
    return ModuleEntry(source=source, origin=origin, limit=folder)


def _system(resolution: Resolution) -> bool:
    if resolution.flags.disable_system_buildpacks:
        resolution.origins["system"] = "--disable-system-buildpacks"
        return False
    if resolution.build.disable_system_buildpacks is not None:
        resolution.origins["system"] = resolution.key("disable_system_buildpacks")
        return not resolution.build.disable_system_buildpacks
    return True


def _lifecycle(resolution: Resolution) -> LifecycleEntry | None:
    flag, key = resolution.flags.lifecycle, resolution.build.lifecycle
    if flag is not None:
        origin = "--lifecycle"
        with blamed_on(origin):
            source = parse_lifecycle(flag, relative_to=Path.cwd())
    elif key is not None:
        origin, folder = resolution.key("lifecycle"), resolution.folder
        with blamed_on(origin):
            source = parse_lifecycle(key, relative_to=folder, limit=folder)
    else:
        return None
    resolution.origins["lifecycle"] = origin
    return LifecycleEntry(source=source, origin=origin)
