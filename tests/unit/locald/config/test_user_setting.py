"""One setting in the text of config.toml."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.config.user_setting import UserSetting, with_setting, without_setting
from oci.errors import UsageError

FILE = """\
# mine
default-builder = "acme/builder"  # the tested one

# mirrors of the office
[registry-mirrors]
"docker.io" = "mirror.example" # fast
"""


def test_a_new_setting_goes_beside_its_kind_and_comments_stay() -> None:
    text = with_setting(FILE, UserSetting.parse("timeout"), "15m")
    assert text == FILE.replace("office\n", 'office\ntimeout = "15m"\n\n')
    text = with_setting(FILE, UserSetting.parse("registry-mirrors.ghcr.io"), ["a.example", "b"])
    assert text == FILE + '"ghcr.io" = ["a.example", "b"]\n'


def test_a_value_is_replaced_where_it_is() -> None:
    text = with_setting(FILE, UserSetting.parse("default-builder"), "acme/other")
    assert text == FILE.replace("acme/builder", "acme/other")


def test_a_table_goes_with_its_last_key() -> None:
    text = without_setting(FILE, UserSetting.parse("registry-mirrors.docker.io"))
    assert text is not None
    assert tomllib.loads(text) == {"default-builder": "acme/builder"}
    assert "# the tested one" in text


def test_every_spelling_of_a_table_is_edited() -> None:
    setting = UserSetting.parse("registry-mirrors.ghcr.io")
    for text in (
        'registry-mirrors."docker.io" = "m"\n',
        'registry-mirrors = { "docker.io" = "m" }\n',
        '[registry-mirrors]\n"docker.io" = "m"\n[secrets]\na = "b"\n',
    ):
        changed = with_setting(text, setting, "g")
        assert changed is not None
        assert tomllib.loads(changed)["registry-mirrors"] == {"docker.io": "m", "ghcr.io": "g"}
        removed = without_setting(changed, setting)
        assert removed is not None
        assert tomllib.loads(removed) == tomllib.loads(text)


def test_what_is_no_table_is_not_edited_as_one() -> None:
    setting = UserSetting.parse("registry-mirrors.ghcr.io")
    assert with_setting('registry-mirrors = "x"\n', setting, "g") is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("jobs", ("jobs",)),
        ("registry-mirrors.docker.io", ("registry-mirrors", "docker.io")),
        ('registry-mirrors."docker.io"', ("registry-mirrors", "docker.io")),
        ("run-image-mirrors.docker.io/a/run:1", ("run-image-mirrors", "docker.io/a/run:1")),
        ("registry-mirrors.localhost:5000", ("registry-mirrors", "localhost:5000")),
        ("registry-mirrors.*", ("registry-mirrors", "*")),
    ],
)
def test_how_keys_are_written(text: str, path: tuple[str, ...]) -> None:
    assert UserSetting.parse(text).path == path


@pytest.mark.parametrize(
    ("key", "values", "value"),
    [
        ("jobs", ("4",), 4),
        ("jobs", ("four",), "four"),
        ("timeout", ("90",), 90),
        ("timeout", ("15m",), "15m"),
        ("insecure-registries", ("a:5000",), ["a:5000"]),
        ("insecure-registries", ("a:5000", "b"), ["a:5000", "b"]),
        ("registry-mirrors.docker.io", ("a",), "a"),
        ("registry-mirrors.docker.io", ("a", "b"), ["a", "b"]),
        ("run-image-mirrors.a/run", ("b/run",), ["b/run"]),
        ("default-builder", ("5",), "5"),
    ],
)
def test_words_become_values_of_the_key_s_type(
    key: str, values: tuple[str, ...], value: object
) -> None:
    assert UserSetting.parse(key).value(values) == value


@pytest.mark.parametrize(
    ("key", "message", "hint"),
    [
        ("default_builder", "no key of config.toml", 'did you mean "default-builder"?'),
        ("registry-mirror.docker.io", "no key of config.toml", 'did you mean "registry-mirrors"?'),
        ("zzz", "no key of config.toml", "known: default-builder, "),
        ("jobs.x", "jobs has no keys of its own", "write jobs alone"),
        ("secrets.", "a name is missing after the dot", ""),
    ],
)
def test_a_bad_key_is_told(key: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        UserSetting.parse(key)
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("jobs", ("1", "2"), "jobs takes one value, not 2"),
        ("registry-mirrors", ("x",), "registry-mirrors is a table: say which of its keys"),
        ("default-builder", ("\udcff",), "default-builder: not UTF-8 text"),
        ("secrets.\udcff", ("x",), "secrets: not UTF-8 text"),
    ],
)
def test_a_value_that_no_key_takes(key: str, values: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        UserSetting.parse(key).value(values)
    assert caught.value.message == message


@given(entry=st.text(min_size=1), value=st.text())
def test_any_text_is_written_as_it_is_or_not_at_all(entry: str, value: str) -> None:
    setting = UserSetting(name="secrets", entry=entry)
    text = with_setting(FILE, setting, value)
    if text is not None:
        assert tomllib.loads(text) == {**tomllib.loads(FILE), "secrets": {entry: value}}
        assert "# the tested one" in text
