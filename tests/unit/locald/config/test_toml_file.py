import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locald.config.errors import ConfigError
from locald.config.toml_file import convert, read_toml


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    port: int = 0
    names: tuple[str, ...] = ()


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: dict[str, Inner] = {}
    either: bool | str | Inner = False
    needed: str = ""


def failure(folder: Path, content: bytes) -> ConfigError:
    file = folder / "x.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        convert(read_toml(file), Outer, file=file)
    assert caught.value.message.startswith(str(file))
    return caught.value


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"a =\n", ":1:4: invalid value", "not valid TOML here; see https://toml.io"),
        (b"x = 1\ny = 'open", ':2:10: expected "\'"', "not valid TOML here; see https://toml.io"),
        (b"x = 1\nx = 2\n", ":2:6: cannot overwrite a value", None),
        (b"a = '\xff'", ":1: not UTF-8 text (byte 0xff)", "save the file with UTF-8 encoding"),
        (b"inner.web.port = 'x'", ": inner.web.port: expected integer, found text", ""),
        (b"[inner.'a b']\nport = true", ': inner."a b".port: expected integer, found true', ""),
        (b"inner.w.names = ['a', 1]", ": inner.w.names[1]: expected text, found integer 1", ""),
        (b"inner = 1.5", ": inner: expected a table, found number", ""),
        (b"either = []", ": either: expected true, false, text or a table, found a list", ""),
        (b"either.prot = 1", ": either.prot: unknown key", 'did you mean "port"?'),
        (b"zzz = 1", ": zzz: unknown key", "known: either, inner, needed"),
        (b"needed = 1979-05-27", ": needed: expected text, found a date or time", ""),
        (b"a = " + b"[" * 100_000, ": nested too deeply", ""),
        (b"#" * (1024 * 1024 + 1), ": is too large; the limit is 1 MiB", ""),
    ],
)
def test_every_mistake_is_named(
    tmp_path: Path, content: bytes, message: str, hint: str | None
) -> None:
    error = failure(tmp_path, content)
    assert error.message.removeprefix(str(tmp_path / "x.toml")) == message
    assert hint is None or error.hint == hint
    assert error.exit_code == 2


def test_a_byte_order_mark_is_no_syntax_error(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(tmp_path / "x.toml") == {"a": 1}


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    for name, message in (
        ("pipe", "not a regular file"),
        ("broken", "cannot be read: no such file or directory"),
        (".", "is a folder, expected a file"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_toml(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").touch(mode=0)
    with pytest.raises(ConfigError, match=r"x.toml: cannot be read: permission denied"):
        read_toml(tmp_path / "x.toml")


def test_names_are_relative_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text("a")
    with pytest.raises(ConfigError, match=r"^x\.toml:1:2: "):
        read_toml(tmp_path / "x.toml")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["inner", "either", "port", "names", "needed", "x y"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["inner", "either", "needed", "zzz"]), _VALUES))
def test_whatever_msgspec_refuses_is_explained_with_a_key(tables: dict[str, object]) -> None:
    message = ""
    try:
        convert(tables, Outer, file=Path("x.toml"))
    except ConfigError as error:
        message = error.message
    assert "$" not in message
    assert message == "" or message.count(": ") >= 2
