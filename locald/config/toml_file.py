"""TOML files → msgspec structs, with errors that name the line or the key."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from locald.config.errors import ConfigError, shown
from locald.config.text_file import read_text

T = TypeVar("T")

_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_toml(path: Path) -> dict[str, object]:
    """The file's tables, not yet checked. Raises ConfigError."""
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """The tables of a file's text, not yet checked. Raises ConfigError that names the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error
    except RecursionError as error:
        raise ConfigError(f"{shown(path)}: nested too deeply") from error
    except ValueError as error:  # CPython converts no more than 4300 digits
        raise ConfigError(f"{shown(path)}: a number has too many digits") from error


def convert(tables: object, kind: type[T], *, file: Path, at: str = "") -> T:
    """`tables` as a struct; raises ConfigError that names file and key path.

    at: the key path of `tables` within the file, such as `service.web`.
    """
    try:
        return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        # Imported here because only a mistake needs it: 5 ms of every start.
        from locald.config.schema_error import first_mismatch

        mismatch = first_mismatch(tables, kind, at=at)
        if mismatch is None:
            raise ConfigError(f"{shown(file)}: {at + ': ' if at else ''}{error}") from error
        raise ConfigError(f"{shown(file)}: {mismatch.message}", hint=mismatch.hint) from error


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    match = _POSITION.search(message)
    if match is None:
        return ConfigError(f"{shown(path)}: not valid TOML: {message}")
    if match[1]:
        line, column = int(match[1]), int(match[2])
    else:
        last = text.rpartition("\n")[2]
        line, column = text.count("\n") + 1, len(last) + 1
    what = message[: match.start()]
    return ConfigError(
        f"{shown(path)}:{line}:{column}: {what[:1].lower()}{what[1:]}",
        hint="not valid TOML here; see https://toml.io",
    )
