"""The commands themselves: help, version, what an unknown word gets."""

import re
from typing import Any

import pytest
import typer.main

import locald
from locald.cli.app import app
from tests.support.cli import Locald

Command = Any  # click's, which typer does not export


def commands(command: Command, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Command]:
    """Every command and group, by the words that lead to it."""
    found = {words: command}
    for name, child in getattr(command, "commands", {}).items():
        found.update(commands(child, (*words, name)))
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("words", list(COMMANDS), ids=lambda words: " ".join(words) or "locald")
def test_help_mentions_every_flag_and_command(
    locald_command: Locald, words: tuple[str, ...]
) -> None:
    result = locald_command.run(*words, "--help")
    assert result.code == 0
    assert result.stderr == ""
    command = COMMANDS[words]
    for option in command.params:
        for flag in getattr(option, "opts", ()):
            if flag.startswith("--") and not option.hidden:
                assert re.search(rf"{flag}\b", result.stdout), flag
    for name in getattr(command, "commands", {}):
        assert name in result.stdout, name


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(locald_command: Locald, flag: str) -> None:
    result = locald_command.run(flag)
    assert (result.code, result.stdout, result.stderr) == (0, f"locald {locald.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("biuld",), "biuld"),
        (("build", "--no-such-flag"), "--no-such-flag"),
        (("build", "one", "two"), "two"),
        (("build", "--tag"), "--tag"),
        (("builder", "create"), "--embedded"),
        (("builder", "create", "--config", "builder.toml"), "NAME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_is_named(locald_command: Locald, words: tuple[str, ...], part: str) -> None:
    result = locald_command.run(*words)
    assert result.code == 2
    assert result.stdout == ""
    assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_a_home_that_cannot_be_written_names_the_variable(locald_command: Locald) -> None:
    here = locald_command.with_environment(LOCALD_DATA_DIR="/proc/nowhere")
    result = here.run("build", "/tmp", "--builder", "x")
    assert result.code == 6
    assert "LOCALD_DATA_DIR" in result.stderr
    assert "Traceback" not in result.stderr
