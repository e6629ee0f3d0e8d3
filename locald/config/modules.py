"""The buildpacks and extensions of a request, and the lifecycle that runs them."""

from dataclasses import dataclass
from pathlib import Path

from locald.config.buildpack_source import BuildpackSource, parse_buildpack, split_buildpacks
from locald.config.descriptor_buildpacks import descriptor_buildpacks
from locald.config.project_files import blamed_on
from locald.config.project_limits import project_buildpack
from locald.config.resolution import Resolution


@dataclass(frozen=True, kw_only=True)
class ModuleRequest:
    """order: these instead of the builder's order; empty leaves it."""

    order: tuple[BuildpackSource, ...] = ()


def resolve_modules(resolution: Resolution, exec_env: str) -> ModuleRequest:
    """--buildpack > locald.toml > project.toml. A project's own paths stay inside it."""
    return ModuleRequest(order=_order(resolution, exec_env))


def _order(resolution: Resolution, exec_env: str) -> tuple[BuildpackSource, ...]:
    if resolution.flags.buildpacks:
        resolution.origins["buildpacks"] = "--buildpack"
        with blamed_on("--buildpack"):
            return tuple(
                parse_buildpack(text, relative_to=Path.cwd())
                for text in split_buildpacks(resolution.flags.buildpacks)
            )
    if resolution.build.buildpacks is not None:
        key = resolution.key("buildpacks")
        resolution.origins["buildpacks"] = key
        return tuple(
            project_buildpack(text, f"{key}[{index}]", resolution.folder)
            for index, text in enumerate(resolution.build.buildpacks)
        )
    if resolution.descriptor is None:
        return ()
    sources = descriptor_buildpacks(
        resolution.descriptor, exec_env, folder=resolution.folder, key=resolution.descriptor_key
    )
    if sources:
        resolution.origins["buildpacks"] = resolution.descriptor_key("group")
    return sources
