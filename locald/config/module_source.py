"""Where a build's own buildpacks and extensions come from: flags, and the lists of files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from lifecycle.inline_buildpack import InlineBuildpack
from locald.config.image_source import ImageSource
from locald.config.project_files import inside, location_inside
from oci.errors import UsageError
from oci.location import ImageLocation, is_location
from oci.reference import Reference
from oci.web_address import WebAddress, is_web_address

_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".cnb")
_DESCRIPTORS = ("buildpack.toml", "extension.toml", "oci-layout")
_BUILDER = ("from=builder", "urn:cnb:builder")
_REGISTRY = "urn:cnb:registry"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|/(?!/))|urn:|from=", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_VERSION = re.compile(r"[A-Za-z0-9.+_-]+")
_FORMS = (
    "give a folder, a tar, tgz or cnb file or its URL, an image, or ID[@VERSION] of the builder"
)


@dataclass(frozen=True)
class ModulePath:
    """A folder, or a tar, tgz or cnb file, of this host."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class ModuleUrl:
    """Such a file on a web server."""

    address: WebAddress

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True)
class ModuleImage:
    """A buildpackage: an image with one or several modules."""

    image: ImageSource

    def __str__(self) -> str:
        return str(self.image)


@dataclass(frozen=True)
class ModuleId:
    """What the builder holds; an empty version means the only one it has."""

    id: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


@dataclass(frozen=True)
class ModuleName:
    """Either what the builder holds, or, where it does not, an image: the builder tells.

    id: None for what can only be an image's name. image: None for what can only be an id.
    """

    text: str
    id: ModuleId | None
    image: Reference | None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class BuilderOrder:
    """`from=builder`: at this place the groups of the builder's order."""

    def __str__(self) -> str:
        return _BUILDER[0]


ModuleSource: TypeAlias = (
    ModulePath | ModuleUrl | ModuleImage | ModuleId | ModuleName | BuilderOrder | InlineBuildpack
)


@dataclass(frozen=True, kw_only=True)
class ModuleEntry:
    """One entry of a list.

    origin: the flag, or the file and key, that it came from, for messages.
    limit: the project's folder for what a project's file says; nothing it names leads out of
        there. None for what the user says.
    """

    source: ModuleSource
    origin: str
    optional: bool = False
    limit: Path | None = None


def parse_module(text: str, *, relative_to: Path, limit: Path | None = None) -> ModuleSource:
    """A folder, a file, a URL, an image, `id[@version]` or `from=builder`.

    What exists as a path is a path; else what the builder has is that; else it is the name of an
    image, if there is a slash in it. Raises UsageError for what cannot be any of them.
    Source: pack's `GetLocatorType`, which also asks a registry of ids that we do not have.
    """
    if "\0" in text or not text.strip():
        raise UsageError(f"not a buildpack: {text[:100]!r}", hint=_FORMS)
    source = _parse(text, relative_to)
    if limit is not None:
        _check_limit(source, text, limit)
    return source


def parse_module_id(text: str) -> ModuleId:
    """Exactly `id[@version]` of the builder. Raises UsageError."""
    found = _module_id(text)
    if found is None:
        raise UsageError(
            f"not the id of a buildpack: {text[:100]!r}", hint="write ID or ID@VERSION"
        )
    return found


def parse_lifecycle(
    text: str, *, relative_to: Path, limit: Path | None = None
) -> ModulePath | ModuleUrl | ModuleImage:
    """Where a lifecycle is: a folder, an archive or its URL, or an image. Raises UsageError."""
    source: ModulePath | ModuleUrl | ModuleImage
    path = _path(text, relative_to)
    if is_web_address(text):
        source = ModuleUrl(WebAddress.parse(text))
    elif is_location(text):
        source = ModuleImage(ImageLocation.parse(text, relative_to=relative_to))
    elif _is_explicit(text) or text.endswith(_ARCHIVES) or path.exists():
        if not path.exists():
            raise UsageError(f"no such file or folder: {text[:200]}")
        source = ModulePath(path)
    else:
        source = ModuleImage(Reference.parse(text).with_default_tag())
    if limit is not None:
        _check_limit(source, text, limit)
    return source


def split_modules(texts: tuple[str, ...]) -> list[str]:
    """`-b a,b` as pack reads it; a path that holds a comma and exists stays whole."""
    parts: list[str] = []
    for text in texts:
        parts += [text] if _exists(Path(text)) else [p.strip() for p in text.split(",")]
    return parts


def _parse(text: str, relative_to: Path) -> ModuleSource:
    if text in _BUILDER:
        return BuilderOrder()
    for prefix in _BUILDER:
        if text.startswith(f"{prefix}:"):
            return parse_module_id(text.removeprefix(f"{prefix}:"))
    if text.startswith(_REGISTRY):
        raise UsageError(
            f"{text[:100]!r}: the registry of buildpack ids is not supported",
            hint="name the buildpack's image instead: docker://HOST/NAME:TAG",
        )
    if is_web_address(text):
        return ModuleUrl(WebAddress.parse(text))
    if is_location(text):
        return ModuleImage(ImageLocation.parse(text, relative_to=relative_to))
    path = _path(text, relative_to)
    if _is_explicit(text) or (text.endswith(_ARCHIVES) and "://" not in text):
        return _checked(path, text)
    if _SCHEME.match(text):
        raise UsageError(f"not a buildpack: {text[:100]!r}", hint=_FORMS)
    if _exists(path) and _looks_like_module(path):
        return ModulePath(path)
    identifier, image = _module_id(text), _reference(text)
    if identifier is None and image is None:
        if _exists(path):
            return _checked(path, text)
        raise UsageError(f"not a buildpack: {text[:100]!r}", hint=_FORMS)
    return ModuleName(text, identifier, image)


def _path(text: str, relative_to: Path) -> Path:
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://").removeprefix("localhost"))
    return Path(relative_to, text).absolute()


def _is_explicit(text: str) -> bool:
    return text.startswith(("/", "./", "../", "file://")) or text in (".", "..")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a folder that is closed to us
        return False


def _looks_like_module(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in _DESCRIPTORS)
    return path.name.endswith(_ARCHIVES)


def _checked(path: Path, text: str) -> ModulePath:
    if not _exists(path):
        raise UsageError(f"no such file or folder: {text[:200]}")
    if not _looks_like_module(path):
        if path.is_dir():
            raise UsageError(
                f"the folder {text[:200]} is no buildpack: it has no buildpack.toml",
                hint="give the folder that holds buildpack.toml (or extension.toml) and bin/",
            )
        raise UsageError(
            f"{text[:200]} is no buildpack",
            hint=f"give a folder, or a file whose name ends in {', '.join(_ARCHIVES)}",
        )
    return ModulePath(path)


def _module_id(text: str) -> ModuleId | None:
    name, at, version = text.partition("@")
    if not _ID.fullmatch(name) or {".", ".."} & set(name.split("/")):
        return None
    if at and not _VERSION.fullmatch(version):
        return None
    return ModuleId(name, version)


def _reference(text: str) -> Reference | None:
    """A bare word is no image: a misspelt id must not become a stranger's image."""
    if "/" not in text:
        return None
    try:
        return Reference.parse(text).with_default_tag()
    except UsageError:
        return None


def _check_limit(source: ModuleSource, text: str, limit: Path) -> None:
    """What a project's file may name: paths inside the project, images, encrypted addresses."""
    match source:
        case ModulePath(path=path):
            inside(path, limit, text=text)
        case ModuleImage(image=ImageLocation() as location):
            location_inside(location, limit, text=text)
        case ModuleUrl(address=address) if not address.encrypted:
            raise UsageError(
                f"{address}: a project's file can name https addresses only",
                hint="use https, or name it on the command line",
            )
        case _:
            pass
