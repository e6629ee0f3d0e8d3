"""builder.toml: what a builder is made of, in pack's format.

One thing more than pack: `[lifecycle]` may give `uri` and `version`; then the version is checked.
Source: buildpacks.io, "builder.toml", and pack's reader.
"""

from pathlib import Path
from typing import Literal

import msgspec

from lifecycle.module import ModuleRef, OrderEntry
from lifecycle.toml_document import read_toml
from oci.errors import UsageError

_SUFFIXES_WITH_DELIMITER = ("append", "prepend")


class _Strict(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A table whose unknown keys are errors."""


class ModuleSource(_Strict, frozen=True, kw_only=True):
    """`[[buildpacks]]` or `[[extensions]]`: where one comes from; id and version are checked."""

    uri: str = ""
    image: str = ""
    id: str = ""
    version: str = ""


class GroupMember(_Strict, frozen=True, kw_only=True):
    """`[[order.group]]`."""

    id: str
    version: str = ""
    optional: bool = False

    def ref(self) -> ModuleRef:
        """As orders carry it."""
        return ModuleRef(self.id, self.version, self.optional)


class OrderGroup(_Strict, frozen=True, kw_only=True):
    """`[[order]]`."""

    group: tuple[GroupMember, ...] = ()

    def entry(self) -> OrderEntry:
        """As labels carry it."""
        return OrderEntry(tuple(member.ref() for member in self.group))


class StackTable(_Strict, frozen=True, kw_only=True):
    """`[stack]`, which `[build]` and `[[run.images]]` replaced."""

    id: str = ""
    build_image: str = ""
    run_image: str = ""
    run_image_mirrors: tuple[str, ...] = ()


class LifecycleTable(_Strict, frozen=True, kw_only=True):
    """`[lifecycle]`."""

    uri: str = ""
    version: str = ""


class RunImage(_Strict, frozen=True, kw_only=True):
    """`[[run.images]]`."""

    image: str
    mirrors: tuple[str, ...] = ()


class RunTable(_Strict, frozen=True, kw_only=True):
    """`[run]`."""

    images: tuple[RunImage, ...] = ()


class BuildVariable(_Strict, frozen=True, kw_only=True):
    """`[[build.env]]`: a variable for buildpacks, and how it joins what the user sets."""

    name: str
    value: str = ""
    suffix: Literal["", "default", "override", "append", "prepend"] = ""
    delim: str = ""
    exec_env: tuple[str, ...] = ()


class BuildTable(_Strict, frozen=True, kw_only=True):
    """`[build]`."""

    image: str = ""
    env: tuple[BuildVariable, ...] = ()


class Distribution(_Strict, frozen=True, kw_only=True):
    """A distribution of a target."""

    name: str = ""
    version: str = ""


class TargetTable(_Strict, frozen=True, kw_only=True):
    """`[[targets]]`: what the builder is made for."""

    os: str
    arch: str = ""
    variant: str = ""
    distros: tuple[Distribution, ...] = ()


class SystemGroup(_Strict, frozen=True, kw_only=True):
    """`[system.pre]` or `[system.post]`."""

    buildpacks: tuple[GroupMember, ...] = ()


class SystemTable(_Strict, frozen=True, kw_only=True):
    """`[system]`: buildpacks that join every group."""

    pre: SystemGroup = SystemGroup()
    post: SystemGroup = SystemGroup()


class BuilderToml(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    description: str = ""
    buildpacks: tuple[ModuleSource, ...] = ()
    extensions: tuple[ModuleSource, ...] = ()
    order: tuple[OrderGroup, ...] = ()
    order_extensions: tuple[OrderGroup, ...] = ()
    stack: StackTable = StackTable()
    lifecycle: LifecycleTable = LifecycleTable()
    run: RunTable = RunTable()
    build: BuildTable = BuildTable()
    targets: tuple[TargetTable, ...] = ()
    system: SystemTable = SystemTable()

    @property
    def build_image(self) -> str:
        """The base image, from `[build]` or else from the deprecated `[stack]`."""
        return self.build.image or self.stack.build_image

    @property
    def run_images(self) -> tuple[RunImage, ...]:
        """The run images, from `[run]` or else from the deprecated `[stack]`."""
        if self.run.images or not self.stack.run_image:
            return self.run.images
        return (RunImage(image=self.stack.run_image, mirrors=self.stack.run_image_mirrors),)


def read_builder_toml(path: Path) -> BuilderToml:
    """Read and check a builder.toml. Raises UsageError with file and key."""
    document = read_toml(path, BuilderToml, error_type=UsageError)
    problem = _first_problem(document)
    if problem:
        raise UsageError(f"{path}: {problem}")
    return document


def build_config_files(variables: tuple[BuildVariable, ...]) -> dict[str, str]:
    """The files of /cnb/build-config/env: file name to content.

    Source: CNB platform spec 0.15, "Operator-Defined Variables".
    """
    files: dict[str, str] = {}
    for variable in variables:
        suffix = f".{variable.suffix}" if variable.suffix else ""
        files[f"{variable.name}{suffix}"] = variable.value
        if variable.delim:
            files[f"{variable.name}.delim"] = variable.delim
    return files


def _first_problem(document: BuilderToml) -> str:
    stack = document.stack
    if not document.build_image:
        return "build.image: missing"
    if document.build.image and stack.build_image not in ("", document.build.image):
        return "stack.build-image: differs from build.image"
    if not document.run_images:
        return "run.images: missing"
    if stack.run_image not in ("", document.run_images[0].image):
        return "stack.run-image: differs from run.images[0].image"
    for kind, sources in (("buildpacks", document.buildpacks), ("extensions", document.extensions)):
        for index, source in enumerate(sources):
            if bool(source.uri) == bool(source.image):
                return f"{kind}[{index}]: give one of uri and image"
    for index, variable in enumerate(document.build.env):
        key = f"build.env[{index}]"
        if not variable.name or any(character in variable.name for character in "/=\0"):
            return f"{key}.name: not the name of a variable: {variable.name!r}"
        if variable.suffix in _SUFFIXES_WITH_DELIMITER and not variable.delim:
            return f"{key}.delim: missing; {variable.suffix} needs one (it may be a space)"
        if variable.exec_env:
            return f"{key}.exec-env: not supported yet"
    return ""
