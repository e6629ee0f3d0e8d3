"""Buildpacks and image extensions as they lie in a folder: buildpack.toml or extension.toml, bin/.

Source: CNB buildpack spec 0.12, "Buildpack Descriptor"; keys that we do not use are let pass.
"""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Self

import msgspec

from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry, folder_name
from lifecycle.toml_document import read_toml
from oci.errors import ImageError
from oci.platform import Platform

# CNB spec: ASCII letters, digits, `/`, `.`, `-`; `app`, `config`, `generated`, `sbom` are taken.
_ID = re.compile(r"[A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)*")
_VERSION = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:[-+][A-Za-z0-9.+\-]*)?")
_RESERVED_IDS = frozenset({"app", "config", "generated", "sbom"})
_API = re.compile(r"\d+(?:\.\d+)?")


class ModuleKind(StrEnum):
    """The two kinds of modules."""

    BUILDPACK = "buildpack"
    EXTENSION = "extension"

    @property
    def folder(self) -> PurePosixPath:
        """Where a builder image keeps them."""
        return PurePosixPath("/cnb", f"{self}s")

    @property
    def executables(self) -> tuple[str, ...]:
        """What each must have, unless it is a composite."""
        return ("bin/detect", "bin/build") if self is ModuleKind.BUILDPACK else ()


class Stack(msgspec.Struct, frozen=True, omit_defaults=True):
    """`[[stacks]]`, which targets replaced."""

    id: str
    mixins: tuple[str, ...] = ()


class Distro(msgspec.Struct, frozen=True, omit_defaults=True):
    """A distribution of a target."""

    name: str = ""
    version: str = ""


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """`[[targets]]`: what a buildpack runs on; what is empty fits anything."""

    os: str = ""
    arch: str = ""
    variant: str = ""
    distros: tuple[Distro, ...] = ()

    def fits(self, platform: Platform) -> bool:
        """Does it run there? Distributions are the detector's concern."""
        return (
            self.os in ("", platform.os)
            and self.arch in ("", platform.architecture)
            and (not self.variant or platform.variant in ("", self.variant))
        )

    def __str__(self) -> str:
        variant = f"/{self.variant}" if self.variant else ""
        return f"{self.os or 'any'}/{self.arch or 'any'}{variant}"


class License(msgspec.Struct, frozen=True, omit_defaults=True):
    """`[[buildpack.licenses]]`."""

    type: str = ""
    uri: str = ""


class _Info(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    id: str
    version: str = ""
    name: str = ""
    description: str = ""
    homepage: str = ""
    keywords: tuple[str, ...] = ()
    licenses: tuple[License, ...] = ()
    clear_env: bool = False
    sbom_formats: tuple[str, ...] = ()


class _Group(msgspec.Struct, frozen=True):
    group: tuple[ModuleRef, ...] = ()


class _BuildpackToml(msgspec.Struct, frozen=True, kw_only=True):
    api: str
    buildpack: _Info
    stacks: tuple[Stack, ...] = ()
    targets: tuple[Target, ...] = ()
    order: tuple[_Group, ...] = ()


class _ExtensionToml(msgspec.Struct, frozen=True, kw_only=True):
    api: str
    extension: _Info
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Buildpack:
    """One module whose files are in `folder` on this host.

    allowed_root: links may lead out of `folder` as far as this; their content is then taken.
    order: of a composite, which has no executables of its own.
    """

    kind: ModuleKind
    folder: Path
    allowed_root: Path
    api: str
    id: str
    version: str
    name: str
    description: str
    homepage: str
    keywords: tuple[str, ...]
    licenses: tuple[License, ...]
    clear_env: bool
    sbom_formats: tuple[str, ...]
    stacks: tuple[Stack, ...]
    targets: tuple[Target, ...]
    order: tuple[OrderEntry, ...]

    @classmethod
    def read(cls, folder: Path, *, origin: str = "", allowed_root: Path | None = None) -> Self:
        """Read and check a folder. `origin` names it in errors; ImageError tells what is wrong."""
        origin = origin or str(folder)
        extension = folder / "extension.toml"
        stacks: tuple[Stack, ...] = ()
        groups: tuple[_Group, ...] = ()
        if os.path.lexists(extension):
            kind = ModuleKind.EXTENSION
            document = read_toml(extension, _ExtensionToml, origin=f"{origin}/extension.toml")
            api, info, targets = document.api, document.extension, document.targets
        elif os.path.lexists(folder / "buildpack.toml"):
            kind = ModuleKind.BUILDPACK
            toml = read_toml(
                folder / "buildpack.toml", _BuildpackToml, origin=f"{origin}/buildpack.toml"
            )
            api, info, targets = toml.api, toml.buildpack, toml.targets
            stacks, groups = toml.stacks, toml.order
        else:
            raise ImageError(
                f"{origin} is not a buildpack: it has no buildpack.toml",
                hint="give the folder that holds buildpack.toml and bin/",
            )
        module = cls(
            kind=kind,
            folder=folder,
            allowed_root=allowed_root or folder,
            api=api,
            id=info.id,
            version=info.version,
            name=info.name,
            description=info.description,
            homepage=info.homepage,
            keywords=info.keywords,
            licenses=info.licenses,
            clear_env=info.clear_env,
            sbom_formats=info.sbom_formats,
            stacks=stacks,
            targets=targets,
            order=tuple(OrderEntry(group.group) for group in groups),
        )
        module._check(origin)
        return module

    @property
    def composite(self) -> bool:
        """Does it only name others?"""
        return bool(self.order)

    @property
    def container_folder(self) -> PurePosixPath:
        """Where its files lie in a build: `/cnb/buildpacks/acme_java/1.2.3`."""
        return self.kind.folder / folder_name(self.id) / self.version

    @property
    def info(self) -> ModuleInfo:
        """As builders' labels carry it."""
        return ModuleInfo(
            id=self.id,
            version=self.version,
            name=self.name,
            description=self.description,
            homepage=self.homepage,
        )

    def check_api(self, supported: tuple[str, ...], *, lifecycle_version: str) -> None:
        """Raise ImageError when a lifecycle does not speak this Buildpack API."""
        if supported and self.api not in supported:
            raise ImageError(
                f"{self} is written for Buildpack API {self.api}, which lifecycle "
                f"{lifecycle_version} does not speak",
                hint=f"it speaks: {', '.join(supported)}",
            )

    def check_platform(self, platform: Platform, *, what: str) -> None:
        """Raise ImageError when none of the targets is the platform of `what`."""
        if not self.targets or any(target.fits(platform) for target in self.targets):
            return
        raise ImageError(
            f"{self} is made for {', '.join(map(str, self.targets))}; {what} is {platform}"
        )

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"

    def _check(self, origin: str) -> None:
        if not _ID.fullmatch(self.id) or self.id in _RESERVED_IDS or ".." in self.id.split("/"):
            raise ImageError(f"{origin}: not the id of a {self.kind}: {self.id!r}")
        if not _VERSION.fullmatch(self.version):
            raise ImageError(
                f"{origin}: not a version: {self.version!r}", hint="write it like 1.2.3"
            )
        if not _API.fullmatch(self.api):
            raise ImageError(f"{origin}: not a Buildpack API version: {self.api!r}")
        if self.composite:
            return
        for name in self.kind.executables:
            path = self.folder / name
            if not path.is_file():
                raise ImageError(f"{origin}: the {self.kind} {self} has no {name}")
            if not os.access(path, os.X_OK):
                raise ImageError(
                    f"{origin}: {name} may not be executed", hint=f"run: chmod +x {path}"
                )


def leads_out(folder: Path) -> bool:
    """Does a link lead out of a folder (so that it cannot be mounted as it is)?"""
    root = folder.resolve()
    return any(
        not path.resolve().is_relative_to(root)
        for path in folder.rglob("*")
        if path.is_symlink() and path.exists()
    )
