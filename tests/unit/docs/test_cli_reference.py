"""docs/cli.md is what the commands say of themselves, and its table of exit codes is true."""

import re

import pytest

from lifecycle.errors import PhaseError
from lifecycle.phase import Phase
from oci.errors import Error
from tests.support.cli_reference import PAGE, cli_reference, command_tree


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == cli_reference(), "run: make docs"


@pytest.mark.parametrize("columns", ["20", "80", "400"])
def test_the_terminal_does_not_matter(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERMINAL_WIDTH", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli_reference() == PAGE.read_text()


def test_every_option_of_every_command_is_there() -> None:
    page = PAGE.read_text()
    for words, command in command_tree():
        section = page.partition(f"### {words}\n")[2].partition("\n### ")[0]
        for parameter in command.params:
            assert parameter.help, f"{words}: {parameter.name} has no help"
            if getattr(parameter, "hidden", False):  # docs/from-pack.md has those
                continue
            for name in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"`{name}" in section, f"{words}: {name}"


def test_every_expected_error_has_its_exit_code_in_the_table() -> None:
    listed = set(map(int, re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)))
    for kind in _with_subclasses(Error):
        if kind is not PhaseError:
            assert kind.exit_code in listed, kind
    killed = PhaseError(Phase.BUILD, 137)
    assert killed.exit_code in listed


def _with_subclasses(kind: type[Error]) -> set[type[Error]]:
    return {kind}.union(*(_with_subclasses(one) for one in kind.__subclasses__()))
