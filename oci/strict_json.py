"""JSON documents that two readers could understand differently are refused.

Go matches keys without regard to case, and of two equal keys takes the last; so a manifest with
`layers` and `LAYERS` is one image to us, who look through its layers, and another one to umoci,
which unpacks them. A document that is a manifest and an index at once is two images as well
(CVE-2021-41190). No tool that makes images writes any of these.
Source: encoding/json of Go 1.19 (Unmarshal, foldFunc); OCI image-spec 1.0.2, security fixes.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, get_args

import msgspec

from oci.errors import ImageError

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_MAX_DEPTH = 64


def decode_strictly(
    data: bytes, kind: type[_Struct], what: str, *, foreign: frozenset[str] = frozenset()
) -> _Struct:
    """Read a document. `what` names it in errors; `foreign`: keys that only another kind of
    document has."""
    try:
        document = msgspec.json.decode(data, type=kind)
        plain = json.loads(data.decode(), object_pairs_hook=_unique)
    except ImageError as error:
        raise ImageError(f"{what} cannot be read: {error.message}") from error
    # Too deep, too many digits, no UTF-8: all of them are ValueErrors but the first.
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ImageError(f"{what} cannot be read: {error}") from error
    found = sorted(foreign.intersection(plain))
    if found:
        raise ImageError(f"{what} is two documents at once: it has {found[0]!r}")
    _check(plain, kind, what, path="", depth=0)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ImageError(f"the key {twice[:100]!r} is in it twice")
    return result


def _check(value: Any, kind: type[msgspec.Struct], what: str, *, path: str, depth: int) -> None:
    known = _fields(kind)
    for name, inner in value.items():
        spelled = known.get(name.casefold())
        if spelled is None:
            _check_depth(inner, what, depth)
            continue
        field, nested = spelled
        if field != name:
            raise ImageError(f"{what} has a key {path}{name[:100]!r}, which is not {field!r}")
        for index, item in enumerate(inner if isinstance(inner, list) else [inner]):
            if nested is not None and isinstance(item, Mapping):
                place = f"{path}{name}[{index}]." if isinstance(inner, list) else f"{path}{name}."
                _check(item, nested, what, path=place, depth=depth + 1)


def _check_depth(value: Any, what: str, depth: int) -> None:
    """What nobody here reads is still kept, and read by other tools."""
    level = [value]
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ImageError(f"{what} is nested too deeply")
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]


@lru_cache
def _fields(
    kind: type[msgspec.Struct],
) -> Mapping[str, tuple[str, type[msgspec.Struct] | None]]:
    """Case-folded key → the key as it is written, and the struct that its value is, if any."""
    return {
        field.encode_name.casefold(): (field.encode_name, _nested(field.type))
        for field in msgspec.structs.fields(kind)
    }


def _nested(annotation: Any) -> type[msgspec.Struct] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return next((n for part in get_args(annotation) if (n := _nested(part)) is not None), None)
