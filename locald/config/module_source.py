"""Where a build's own buildpacks come from: `--buildpack`, and the lists of the files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from oci.errors import UsageError

_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".cnb")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ID = re.compile(r"[A-Za-z0-9./-]+")
_VERSION = re.compile(r"[A-Za-z0-9.+_-]+")


@dataclass(frozen=True)
class BuildpackPath:
    """A buildpack in a folder, or in a tar or tgz file, of this host."""

    path: Path


@dataclass(frozen=True)
class BuildpackId:
    """A buildpack that the builder holds; an empty version means the only one it has."""

    id: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


BuildpackSource: TypeAlias = BuildpackPath | BuildpackId


def parse_buildpack(text: str, *, relative_to: Path) -> BuildpackSource:
    """From a folder, a tar or tgz file, or `id[@version]`; what exists as a path is a path.

    Raises UsageError for what exists neither here nor in any builder.
    """
    path = Path(relative_to, text.removeprefix("file://")).absolute()
    if text.startswith(("/", "./", "../", "file://")) or text in (".", ".."):
        return _checked(path, text)
    if "\0" not in text and path.exists() and not _SCHEME.match(text):
        return _checked(path, text)
    if text.endswith(_ARCHIVES) and not _SCHEME.match(text):
        return _checked(path, text)
    if text.startswith(("urn:cnb:", "from=")) or _SCHEME.match(text):
        raise UsageError(
            f"{text[:100]!r}: buildpacks from images and the network are not supported yet",
            hint="give a folder, a tar or tgz file, or ID[@VERSION] of the builder",
        )
    name, at, version = text.partition("@")
    if not _ID.fullmatch(name) or (at and not _VERSION.fullmatch(version)):
        raise UsageError(
            f"not a buildpack: {text[:100]!r}",
            hint="give a folder, a tar or tgz file, or ID[@VERSION] of the builder",
        )
    return BuildpackId(name, version)


def _checked(path: Path, text: str) -> BuildpackPath:
    if path.is_dir():
        if not (path / "buildpack.toml").is_file():
            raise UsageError(f"the folder {text[:200]} is no buildpack: it has no buildpack.toml")
    elif not path.exists():
        raise UsageError(f"no such file or folder: {text[:200]}")
    elif not path.name.endswith(_ARCHIVES):
        raise UsageError(
            f"{text[:200]} is no buildpack", hint="give a folder, or a .tar, .tgz or .tar.gz file"
        )
    return BuildpackPath(path)


def split_buildpacks(texts: tuple[str, ...]) -> list[str]:
    """`-b a,b` as pack reads it; a path that holds a comma and exists stays whole."""
    parts: list[str] = []
    for text in texts:
        parts += [text] if Path(text).exists() else [p.strip() for p in text.split(",")]
    return parts
