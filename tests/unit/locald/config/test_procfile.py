import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.config.errors import ConfigError
from locald.config.procfile import parse_procfile, read_procfile


def test_names_commands_comments_and_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_bytes(
        b"\xef\xbb\xbf# all of it\r\nweb: python app.py --port $PORT\r\n\r\nwork.er-1:a:b\r\n"
    )
    assert read_procfile(file) == {"web": "python app.py --port $PORT", "work.er-1": "a:b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web: a\n\nweb: b", "Procfile:3: the process web is already on line 1"),
        ("# x\npython app.py", "Procfile:2: not a process: 'python app.py'"),
        ("we b: x", "Procfile:1: not a process: 'we b: x'"),
        ("web:   ", "Procfile:1: the process web has no command"),
        (": x", "Procfile:1: not a process: ': x'"),
        ("web: a\0b", "Procfile:1: the command holds a NUL character"),
    ],
)
def test_a_bad_line_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_procfile(text)
    assert caught.value.message == message


def test_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"web: a\nx: \xff\n")
    with pytest.raises(ConfigError, match=r"Procfile:2: not UTF-8 text \(byte 0xff\)"):
        read_procfile(tmp_path / "Procfile")


_COMMANDS = (
    st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), min_size=1)
    .map(str.strip)
    .filter(bool)
)
_NAMES = st.from_regex(r"[A-Za-z0-9._-]+", fullmatch=True)


@given(st.dictionaries(_NAMES, _COMMANDS), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(processes: dict[str, str], end: str) -> None:
    text = "".join(f"{name}: {command}{end}" for name, command in processes.items())
    assert parse_procfile(text) == processes


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert all(parse_procfile(text).values())
