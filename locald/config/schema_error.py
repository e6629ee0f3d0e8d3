"""Where data first differs from a type. msgspec knows that too, but not the names of the keys on
the way (`$[...]`), nor which key was meant.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec import inspect

from locald.config.errors import key_path, suggestion


@dataclass(frozen=True)
class Mismatch:
    """message: `KEY.PATH: what is wrong`; hint: what to do."""

    message: str
    hint: str = ""


def first_mismatch(value: object, kind: object, *, at: str = "") -> Mismatch | None:
    """The first place in `value` that does not fit `kind`; None when all of it does."""
    return next(_mismatches(value, inspect.type_info(kind), at), None)


def _mismatches(value: object, kind: inspect.Type, at: str) -> Iterator[Mismatch]:
    match kind:
        case inspect.AnyType() | inspect.RawType():
            return
        case inspect.UnionType():
            yield from _union(value, kind, at)
        case inspect.StructType() if isinstance(value, Mapping):
            yield from _struct(value, kind, at)
        case inspect.DictType() if isinstance(value, Mapping):
            for key, item in value.items():
                yield from _mismatches(item, kind.value_type, key_path(at, str(key)))
        case inspect.ListType() | inspect.VarTupleType() if isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from _mismatches(item, kind.item_type, f"{at}[{index}]")
        case inspect.EnumType():
            yield from _choice(value, [str(member.value) for member in kind.cls], at)
        case inspect.LiteralType():
            yield from _choice(value, [str(choice) for choice in kind.values], at)
        case _ if not _fits(value, kind):
            found = _value_name(value)
            expected = _type_name(kind)
            if _shape_fits(value, kind):
                expected = _limits(kind) or expected
            yield Mismatch(f"{at or 'file'}: expected {expected}, found {found}")
        case _:
            return


def _struct(value: Mapping[str, object], kind: inspect.StructType, at: str) -> Iterator[Mismatch]:
    fields = {field.encode_name: field for field in kind.fields}
    for key, item in value.items():
        field = fields.get(key)
        if field is not None:
            yield from _mismatches(item, field.type, key_path(at, key))
        elif kind.forbid_unknown_fields:
            yield Mismatch(f"{key_path(at, key)}: unknown key", suggestion(key, fields))
    for name, field in fields.items():
        if field.required and name not in value:
            yield Mismatch(f"{key_path(at, name)}: is missing")


def _union(value: object, kind: inspect.UnionType, at: str) -> Iterator[Mismatch]:
    """Nothing when one member fits; the member of the value's own shape tells what is wrong."""
    shapes = [member for member in kind.types if _shape_fits(value, member)]
    if not shapes:
        names = [_type_name(m) for m in kind.types if not isinstance(m, inspect.NoneType)]
        *others, last = dict.fromkeys(names)
        expected = f"{', '.join(others)} or {last}" if others else last
        expected = expected.replace("true or false, ", "true, false, ")
        yield Mismatch(f"{at or 'file'}: expected {expected}, found {_value_name(value)}")
    elif not any(next(_mismatches(value, member, at), None) is None for member in shapes):
        yield from _mismatches(value, shapes[0], at)


def _choice(value: object, choices: list[str], at: str) -> Iterator[Mismatch]:
    if not isinstance(value, str):
        yield Mismatch(f"{at}: expected text, found {_value_name(value)}")
    elif value not in choices:
        yield Mismatch(
            f"{at}: {value[:60]!r} is not one of {', '.join(choices)}",
            suggestion(value, choices) if len(choices) > 1 else "",
        )


def _shape_fits(value: object, kind: inspect.Type) -> bool:
    match kind:
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, Mapping)
        case inspect.ListType() | inspect.VarTupleType():
            return isinstance(value, list | tuple)
        case inspect.EnumType() | inspect.LiteralType() | inspect.StrType():
            return isinstance(value, str)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return _fits(value, kind)


def _fits(value: object, kind: inspect.Type) -> bool:
    """Does a scalar fit, its limits (`msgspec.Meta`) included?"""
    match kind:
        case inspect.AnyType():
            return True
        case inspect.NoneType():
            return value is None
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return (
                isinstance(value, int)
                and not isinstance(value, bool)
                and (kind.ge is None or value >= kind.ge)
                and (kind.le is None or value <= kind.le)
            )
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str) and len(value) >= (kind.min_length or 0)
        case _:
            return False


def _type_name(kind: inspect.Type) -> str:
    match kind:
        case inspect.StructType() | inspect.DictType():
            return "a table"
        case inspect.ListType() | inspect.VarTupleType():
            return "a list"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "integer"
        case inspect.FloatType():
            return "number"
        case _:
            return "text"


def _limits(kind: inspect.Type) -> str:
    """What a value of the right type must be besides."""
    match kind:
        case inspect.IntType() if kind.ge is not None and kind.le is not None:
            return f"an integer from {kind.ge} to {kind.le}"
        case inspect.StrType() if kind.min_length:
            return "text that is not empty"
        case _:
            return ""


def _value_name(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"integer {value}" if abs(value) < 10**12 else "integer"
        case float():
            return "number"
        case str():
            return "empty text" if not value else "text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case datetime.date() | datetime.time():
            return "a date or time"
        case _:
            return type(value).__name__
