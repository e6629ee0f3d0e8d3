"""docs/cli.md, made from the commands themselves and a text beside this file.

    python -m tests.support.cli_reference     rewrites the page (`make docs`)

The text, `cli_reference.md`, has a line `<!-- NAME -->` wherever something is filled in.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import typer

from lifecycle.errors import _MEANINGS, PASSED_THROUGH
from locald.cli.app import _COMMANDS, _register, app

PAGE = Path(__file__).parents[2] / "docs/cli.md"
_TEXT = Path(__file__).with_suffix(".md")
Row: TypeAlias = tuple[str, str, str]


def cli_reference() -> str:
    """The whole page."""
    text = _TEXT.read_text()
    filled_in = {
        "synopsis": _synopsis(),
        "commands": "\n".join(_commands()).strip(),
        "lifecycle-codes": "\n".join(_lifecycle_codes()),
    }
    for name, content in filled_in.items():
        mark = f"<!-- {name} -->"
        if text.count(mark) != 1:
            raise ValueError(f"{_TEXT.name}: expected one line {mark}")
        text = text.replace(mark, content)
    return text


def command_tree() -> tuple[tuple[str, Any], ...]:
    """Every command that can be run, by its words, in the order of the help; the root first."""
    _register(())  # what other tests registered before decides about no order here
    root: Any = typer.main.get_command(app)
    found = [("locald", root)]
    for name in _COMMANDS:
        found += _runnable(f"locald {name}", root.commands[name])
    return tuple(found)


def _runnable(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield words, command
    for name, one in inner.items():
        yield from _runnable(f"{words} {name}", one)


def _synopsis() -> str:
    rows = [
        (f"[`{words}`](#{words.replace(' ', '-')})", _first_line(command))
        for words, command in command_tree()[1:]
    ]
    return "\n".join(_table(("command", "what it does"), rows))


def _commands() -> Iterator[str]:
    for words, command in command_tree():
        yield from (f"### {words}", "", f"`{_usage(words, command)}`", "")
        yield from (inspect.cleandoc(command.help), "")
        rows = [*_arguments(command), *_options(command)]
        if rows:
            yield from (*_table(("argument or option", "default", "meaning"), rows), "")


def _usage(words: str, command: Any) -> str:
    pieces = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = _argument_name(parameter)
            pieces.append(name if parameter.required else f"[{name}]")
    own = command.collect_usage_pieces(command.context_class(command, info_name=words))
    # The last pieces are the words of a group, or what a command of ours takes besides.
    rest = own[1 + len(pieces) :]
    return " ".join((words, "[OPTIONS]", *pieces, *rest))


def _arguments(command: Any) -> Iterator[Row]:
    for one in command.params:
        if one.param_type_name == "argument":
            yield f"`{_argument_name(one)}`", _default(one), one.help or ""


def _options(command: Any) -> Iterator[Row]:
    """In the order of the help, which shows them panel by panel."""
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    panels = list(dict.fromkeys(one.rich_help_panel for one in options))
    for one in sorted(options, key=lambda one: panels.index(one.rich_help_panel)):
        yield _option_name(one), _default(one), one.help or ""


def _option_name(option: Any) -> str:
    names = sorted(option.opts, key=lambda name: not name.startswith("--"))
    value = "" if option.is_flag else f" {_metavar(option)}"
    return ", ".join(f"`{name}`" for name in names[1:]) + (
        f"{', ' if names[1:] else ''}`{names[0]}{value}`"
    )


def _metavar(option: Any) -> str:
    if option.metavar:
        return str(option.metavar).strip("[]") if "|" in option.metavar else str(option.metavar)
    choices: Iterable[object] = getattr(option.type, "choices", ())
    return "|".join(map(str, choices)) or "N"


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name).strip("[]").upper()


def _default(parameter: Any) -> str:
    """The words of the help, else the value where it tells something."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.default is None or isinstance(parameter.default, bool):
        return "always" if parameter.default else ""
    return f"`{parameter.default}`"


def _lifecycle_codes() -> Iterator[str]:
    rows = [
        (f"{code}", meaning)
        for code, meaning in sorted(_MEANINGS.items())
        if code in PASSED_THROUGH
    ]
    yield from _table(("code", "the phase …"), rows)


def _first_line(command: Any) -> str:
    return str(inspect.cleandoc(command.help).partition("\n")[0])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield _row("---" for _ in head)
    for row in rows:
        yield _row(cell.replace("|", "\\|") for cell in row)


def _row(cells: Iterable[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


if __name__ == "__main__":
    PAGE.write_text(cli_reference())
