"""TOML files read into typed values; every error names the file and the key."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from oci.errors import Error, ImageError
from oci.plain_file import read_regular_file

_T = TypeVar("_T")
# Composite buildpacks of distributions have some 100 KB.
_MAX_BYTES = 8 << 20
# "Object contains unknown field `x` - at `$.a[0]`" and its like.
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<key>[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<key>[^`]*)`$")


def read_toml(
    path: Path, kind: type[_T], *, origin: str = "", error_type: type[Error] = ImageError
) -> _T:
    """Read a TOML file as `kind`; `origin` (default: its path) names it in errors."""
    try:
        data = read_regular_file(path, max_bytes=_MAX_BYTES)
    except OSError as error:
        raise error_type(f"{origin or path} cannot be read: {error.strerror}") from error
    return decode_toml(data, kind, origin=origin or str(path), error_type=error_type)


def decode_toml(
    data: bytes, kind: type[_T], *, origin: str, error_type: type[Error] = ImageError
) -> _T:
    """Read TOML text as `kind`."""
    try:
        tables = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise error_type(f"{origin}: not UTF-8 text") from error
    except RecursionError as error:
        raise error_type(f"{origin}: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise error_type(f"{origin}: {error}") from error
    except ValueError as error:  # CPython converts no more than 4300 digits
        raise error_type(f"{origin}: a number has too many digits") from error
    try:
        return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        raise error_type(f"{origin}: {_in_words(str(error))}") from error


def _in_words(message: str) -> str:
    """msgspec's message with the key path first: `lifecycle.uri: expected text`."""
    match = _PLACE.match(message)
    if match is None:
        return message
    what, place = match["what"], match["path"] or ""
    for pattern, words in ((_UNKNOWN, "unknown key"), (_MISSING, "missing")):
        if found := pattern.match(what):
            key = f"{place}.{found['key']}" if place else found["key"]
            return f"{key}: {words}"
    what = what[:1].lower() + what[1:]
    return f"{place}: {what}" if place else what
