"""One setting of the user's config.toml, as `locald config set` names and edits it."""

import copy
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Self

import tomlkit
from msgspec import inspect

from locald.config.errors import key_path, suggestion
from locald.config.user_config import UserConfig
from oci.errors import UsageError

SettingValue = str | int | list[str]


@dataclass(frozen=True, kw_only=True)
class UserSetting:
    """name: a key of config.toml. entry: a key within it, where it is a table, else empty."""

    name: str
    entry: str = ""

    @classmethod
    def parse(cls, text: str, *, also: Mapping[str, object] | None = None) -> Self:
        """From `KEY` or `KEY.ENTRY`. An entry may itself have dots: `registry-mirrors.docker.io`.

        also: the tables of a file, whose keys are taken besides those that locald knows. Raises
        UsageError.
        """
        name, dot, entry = text.partition(".")
        kinds = _kinds()
        if len(entry) > 1 and entry[0] == entry[-1] and entry[0] in "\"'":  # as the file has it
            entry = entry[1:-1]
        if name not in kinds and name not in (also or {}):
            raise UsageError(
                f"{name[:60]!r} is no key of config.toml", hint=suggestion(name, kinds)
            )
        if dot and not entry:
            raise UsageError(f"{text[:80]!r}: a name is missing after the dot")
        if entry and name in kinds and not _is_table(name):
            raise UsageError(
                f"{text[:80]!r}: {name} has no keys of its own", hint=f"write {name} alone"
            )
        return cls(name=name, entry=entry)

    @property
    def path(self) -> tuple[str, ...]:
        """Its keys, outermost first."""
        return (self.name, self.entry) if self.entry else (self.name,)

    @property
    def key(self) -> str:
        """As the file would spell it."""
        return key_path(self.name, self.entry) if self.entry else self.name

    def value(self, texts: tuple[str, ...]) -> SettingValue:
        """The words of the command line in the type that the key takes: a list where there may be
        one. What does not fit stays text, for the check of the whole file. Raises UsageError.
        """
        if _is_table(self.name) and not self.entry:
            raise UsageError(
                f"{self.name} is a table: say which of its keys",
                hint=f"such as: locald config set {self.name}.NAME VALUE",
            )
        if any(not _is_text(text) for text in (self.entry, *texts)):
            raise UsageError(f"{self.name}: not UTF-8 text")
        shapes = {type(shape) for shape in _shapes(self._kind())}
        if inspect.VarTupleType in shapes and (len(texts) > 1 or inspect.StrType not in shapes):
            return list(texts)
        if len(texts) > 1:
            raise UsageError(f"{self.key} takes one value, not {len(texts)}")
        (text,) = texts
        if inspect.IntType in shapes and text.isascii() and text.isdigit() and len(text) < 16:
            return int(text)
        return text

    def _kind(self) -> inspect.Type:
        kind = _kinds()[self.name]
        return kind.value_type if isinstance(kind, inspect.DictType) else kind


def with_setting(text: str, setting: UserSetting, value: SettingValue) -> str | None:
    """A file's text with the setting, all else as it was: comments, order, empty lines.

    text: valid TOML. None when the file has a form that cannot be edited so.
    """
    document = tomlkit.parse(text)
    expected = copy.deepcopy(tomllib.loads(text))
    table, entries = document, expected
    if setting.entry:
        table = document.setdefault(setting.name, tomlkit.table())
        entries = expected.setdefault(setting.name, {})
        if not isinstance(table, MutableMapping):
            return None
    table[setting.path[-1]] = value
    entries[setting.path[-1]] = value
    return _checked(tomlkit.dumps(document), expected)


def without_setting(text: str, setting: UserSetting) -> str | None:
    """A file's text without the setting, which it has; with its last key a table goes as well.

    text: valid TOML. None when the file has a form that cannot be edited so.
    """
    document = tomlkit.parse(text)
    expected = copy.deepcopy(tomllib.loads(text))
    if setting.entry:
        table = document[setting.name]
        if not isinstance(table, MutableMapping):
            return None
        del table[setting.entry]
        del expected[setting.name][setting.entry]
    if not setting.entry or not expected[setting.name]:
        del document[setting.name]
        del expected[setting.name]
    return _checked(tomlkit.dumps(document), expected)


def current_value(tables: Mapping[str, object], setting: UserSetting) -> object | None:
    """What the tables of a file say about it; None when nothing."""
    value: object | None = tables.get(setting.name)
    if not setting.entry:
        return value
    return value.get(setting.entry) if isinstance(value, Mapping) else None


def _checked(text: str, expected: Mapping[str, object]) -> str | None:
    """The text if it means what was wanted: whatever the editor of the text may get wrong."""
    try:
        return text if tomllib.loads(text) == expected else None
    except tomllib.TOMLDecodeError:
        return None


def _is_text(text: str) -> bool:
    """Not what stands for the bytes of an argument that is none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kinds() -> Mapping[str, inspect.Type]:
    info = inspect.type_info(UserConfig)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field.type for field in info.fields}


def _is_table(name: str) -> bool:
    return isinstance(_kinds().get(name), inspect.DictType)


def _shapes(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            yield from _shapes(member)
    else:
        yield kind
