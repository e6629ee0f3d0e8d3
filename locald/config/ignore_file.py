"""A file of ignore patterns: its lines, and for what part of the source they hold."""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Self

from locald.config.errors import ConfigError, shown
from locald.config.text_file import read_text

GITIGNORE = ".gitignore"
_DOCKERIGNORE = ".dockerignore"  # also the end of a name: `web.dockerignore`


class IgnoreSyntax(Enum):
    """What the lines mean."""

    GIT = auto()
    DOCKER = auto()


@dataclass(frozen=True, kw_only=True)
class IgnoreFile:
    """label: the file's name for people. lines: with line ends taken off.

    below: the part of the source that it holds for, `""` or ending in `/`.
    prefix: the source as seen from a file in a folder above: there, the patterns are about
        `prefix` + path.
    nested: it is git's own, so those in folders below count, too.
    between: the .gitignore files in the folders between this one and the source, outer first.
    """

    label: str
    lines: tuple[str, ...]
    syntax: IgnoreSyntax = IgnoreSyntax.GIT
    below: str = ""
    prefix: str = ""
    nested: bool = False
    between: tuple["IgnoreFile", ...] = ()

    @classmethod
    def read(cls, path: Path, source: Path) -> Self:
        """An ignore file for a source folder; both absolute, the latter without links.

        One that is neither in the source nor above it holds for the whole source.
        Raises ConfigError.
        """
        folder = path.parent.resolve()
        related = folder.is_relative_to(source) or source.is_relative_to(folder)
        return cls(
            label=shown(path),
            lines=read_lines(path),
            syntax=(IgnoreSyntax.DOCKER if path.name.endswith(_DOCKERIGNORE) else IgnoreSyntax.GIT),
            below=_relative(folder, source),
            prefix=_relative(source, folder),
            nested=related and path.name == GITIGNORE,
            between=(
                tuple(
                    cls(
                        label=shown(parent / GITIGNORE),
                        lines=read_lines(parent / GITIGNORE),
                        prefix=_relative(source, parent),
                    )
                    for parent in reversed(source.parents)
                    if parent != folder and parent.is_relative_to(folder)
                    if is_plain(parent / GITIGNORE)
                )
                if path.name == GITIGNORE
                else ()
            ),
        )

    def origin(self, line: int) -> str:
        """One of its lines, by number from 0, and where it is."""
        return f"{self.label}:{line + 1}: {self.lines[line]}"

    def error(self, error: ValueError) -> ConfigError:
        """What is wrong with a line, which the error's text begins with, with its number."""
        text = str(error)
        numbers = (n for n, line in enumerate(self.lines, 1) if text.startswith(repr(line)))
        return ConfigError(f"{self.label}:{next(numbers, 0)}: {text}")


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of an ignore file. Raises ConfigError."""
    text = read_text(path, any_bytes=True)
    return tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))


def is_plain(path: Path) -> bool:
    """git reads no .gitignore that is a link."""
    return path.is_file() and not path.is_symlink()


def _relative(folder: Path, base: Path) -> str:
    """The way from `base` down to `folder`, ending in `/`; "" when it is not below."""
    if folder == base or not folder.is_relative_to(base):
        return ""
    return f"{folder.relative_to(base)}/"
