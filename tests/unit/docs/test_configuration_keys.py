"""docs/locald-toml.md lists every key, with its type."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from locald.config.locald_toml import Build
from locald.config.user_config import UserConfig

PAGE = (Path(__file__).parents[3] / "docs/locald-toml.md").read_text()
_ROW = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \| (.+) \|$", re.MULTILINE)


def rows(heading: str) -> dict[str, str]:
    """Key → type, of the first table below a heading."""
    section = PAGE.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return {
        key: kind
        for keys, kind, _ in _ROW.findall(section)
        for key in re.findall(r"`([^`]+)`", keys)
    }


def words(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=types):
            members = {words(one) for one in types if not isinstance(one, inspect.NoneType)}
            in_order = [word for word in ("text", "integer", "list of text") if word in members]
            return " or ".join(in_order) or members.pop()
        case inspect.EnumType(cls=cls):
            return ", ".join(f"`{member.value}`" for member in cls)
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.DictType(value_type=value):
            return f"table of {words(value).replace('list of text', 'lists')}"
        case inspect.VarTupleType():
            return "list of text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "integer"
        case _:
            return "text"


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("### [service.NAME.build]", Build), ("## Your own config.toml", UserConfig)],
)
def test_every_key_is_in_the_table(heading: str, kind: type[msgspec.Struct]) -> None:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    wanted = {field.encode_name: words(field.type) for field in info.fields}
    found = rows(heading)
    if kind is Build:
        assert found["network"] == "`private`, `none`"  # the host's is for the user to open
        wanted["network"] = found["network"]
    assert {key: sorted(text.split(", ")) for key, text in found.items()} == {
        key: sorted(text.split(", ")) for key, text in wanted.items()
    }


def test_the_keys_stand_in_the_order_of_the_struct() -> None:
    assert tuple(rows("### [service.NAME.build]")) == Build.__struct_fields__
