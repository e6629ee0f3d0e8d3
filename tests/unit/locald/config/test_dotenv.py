from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locald.config.dotenv import parse_env_flags, read_env_file
from locald.config.errors import ConfigError
from oci.errors import UsageError


def env_file(folder: Path, text: str) -> Path:
    file = folder / "build.env"
    file.write_text(text)
    return file


def test_flags_with_values_and_values_of_ours() -> None:
    notes: list[str] = []
    entries = ["A=1", "B", "C=", "D=a=b\nc", "A=2"]
    assert parse_env_flags(entries, {"B": "host"}, notes.append) == {
        "A": "2",
        "B": "host",
        "C": "",
        "D": "a=b\nc",
    }
    assert notes == []


def test_a_name_that_we_do_not_have_is_left_out_and_told(tmp_path: Path) -> None:
    notes: list[str] = []
    assert parse_env_flags(["A=1", "NOPE", "A"], {}, notes.append) == {}
    file = env_file(tmp_path, "X=1\nNOPE\nX\n")
    assert read_env_file(file, {}, on_unset=notes.append) == {}
    assert notes == [
        "--env: NOPE is not set in your environment and is left out",
        "--env: A is not set in your environment and is left out",
        f"{file}:2: NOPE is not set in your environment and is left out",
        f"{file}:3: X is not set in your environment and is left out",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("=x", "--env: no name before the ="),
        ("", "--env: an empty text"),
        ("1A=x", "--env: not a variable's name: '1A'"),
        ("A-B=x", "--env: not a variable's name: 'A-B'"),
        ("CNB_PLATFORM_API=0.3", "--env: CNB_PLATFORM_API cannot be set"),
        ("A=x\0", "--env: the value of A holds a NUL character"),
        (
            "A=" + "x" * 131072,
            "--env: the value of A is 131075 bytes; the kernel's limit is 128 KiB",
        ),
    ],
)
def test_a_bad_flag_is_refused(entry: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_env_flags([entry], {}, lambda _: None)
    assert caught.value.message == message


def test_a_file_with_everything(tmp_path: Path) -> None:
    file = env_file(
        tmp_path,
        "# comment\n\nexport A=1\nB = 'two words'  # why\nC=\"x\\ny\"\nD=$HOME-${A}\nE\nF='a\nb'\n",
    )
    assert read_env_file(file, {"E": "ours", "HOME": "/secret"}) == {
        "A": "1",
        "B": "two words",
        "C": "x\ny",
        "D": "$HOME-${A}",
        "E": "ours",
        "F": "a\nb",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n\n# c\nB-C=2\n", "build.env:4: not a variable's name: 'B-C'"),
        ("A='open\n", 'build.env:1: not a variable: "A=\'open"'),
        ("\n\nCNB_X=1", "build.env:3: CNB_X cannot be set"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_env_file(env_file(tmp_path, text), {})
    assert caught.value.message == f"{tmp_path}/{message}"


def test_a_project_file_gets_nothing_from_our_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_env_file(env_file(tmp_path, "AWS_SECRET_ACCESS_KEY\n"), None)
    assert caught.value.message.endswith("build.env:1: AWS_SECRET_ACCESS_KEY has no value")
    assert "pass --env AWS_SECRET_ACCESS_KEY" in caught.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.env: cannot be read: no such file or directory"):
        read_env_file(tmp_path / "x.env", {})
    with pytest.raises(ConfigError, match="is a folder, expected a file"):
        read_env_file(tmp_path, {})


_VALUES = st.text(st.characters(blacklist_characters="'\\\r\0", blacklist_categories=["Cs"]))
_NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith("CNB_")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, _VALUES))
def test_quoted_values_are_read_as_written(tmp_path: Path, variables: dict[str, str]) -> None:
    file = tmp_path / "round.env"
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    file.write_bytes(text.encode())
    assert read_env_file(file, {}) == variables
