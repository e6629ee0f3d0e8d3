"""Variables for the build: `--env`, `--env-file`, and the env tables of the project's files.

Values are taken as written: no `$VARIABLE` in them is replaced.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from locald.config.errors import ConfigError, shown
from locald.config.text_file import read_text
from oci.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The kernel's limit for one NAME=VALUE with its final NUL (MAX_ARG_STRLEN).
_ENTRY_LIMIT_BYTES = 128 * 1024

OnUnset = Callable[[str], object]
"""Told, with a sentence, of a variable that is not set because our environment has none."""


def parse_env_flags(
    entries: Iterable[str], environ: Mapping[str, str], on_unset: OnUnset
) -> Mapping[str, str]:
    """From `--env K=V` and `--env K` (our own environment's value). Raises UsageError."""
    variables: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name:
            # What follows is not repeated: it may be secret.
            raise UsageError(
                "--env: no name before the =" if equals else "--env: an empty text",
                hint="write NAME=VALUE, or NAME alone for your own environment's value",
            )
        check_variable(name, value, where="--env")
        if equals:
            variables[name] = value
        else:
            _take_host_value(name, environ, variables, where="--env", on_unset=on_unset)
    return variables


def read_env_file(
    path: Path, environ: Mapping[str, str] | None, *, on_unset: OnUnset = lambda _: None
) -> Mapping[str, str]:
    """From a dotenv file: `K=V`, quotes, `export`, comments; `K` alone is our own value.

    environ: None where the file may not ask for our environment (it comes with the project).
    Raises ConfigError with the line; a later line for the same name wins.
    """
    # Imported here because few builds have such a file: 10 ms of every start.
    from dotenv.parser import parse_stream

    variables: dict[str, str] = {}
    label = shown(path)
    for binding in parse_stream(io.StringIO(read_text(path), newline=None)):
        text = binding.original.string
        # The parser counts the empty lines before an entry as a part of it.
        lead = text[: len(text) - len(text.lstrip())].count("\n")
        where = f"{label}:{binding.original.line + lead}"
        if binding.error:
            raise ConfigError(
                f"{where}: not a variable: {text.strip()[:60]!r}", hint="write NAME=VALUE"
            )
        if binding.key is None:
            continue
        value = binding.value
        check_variable(binding.key, value or "", where=where)
        if value is not None:
            variables[binding.key] = value
        elif environ is not None:
            _take_host_value(binding.key, environ, variables, where=where, on_unset=on_unset)
        else:
            raise ConfigError(
                f"{where}: {binding.key} has no value",
                hint="a project's file cannot take values from your environment; "
                f"write {binding.key}=VALUE, or pass --env {binding.key}",
            )
    return variables


def check_variable(name: str, value: str, *, where: str) -> None:
    """Refuse what the lifecycle could not pass on. `where` names the flag, file or key."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: not a variable's name: {name[:60]!r}",
            hint="use letters, digits and underscores, not beginning with a digit",
        )
    if name.startswith("CNB_"):
        raise ConfigError(
            f"{where}: {name} cannot be set",
            hint="names that begin with CNB_ belong to the platform and the lifecycle",
        )
    if "\0" in value:
        raise ConfigError(f"{where}: the value of {name} holds a NUL character")
    size = len(name.encode()) + len(value.encode(errors="surrogateescape")) + 2
    if size > _ENTRY_LIMIT_BYTES:
        raise ConfigError(
            f"{where}: the value of {name} is {size} bytes; the kernel's limit is 128 KiB"
        )


def _take_host_value(
    name: str,
    environ: Mapping[str, str],
    variables: dict[str, str],
    *,
    where: str,
    on_unset: OnUnset,
) -> None:
    """An earlier value of the name does not outlive this, whatever our environment has."""
    if name in environ:
        check_variable(name, environ[name], where=where)
        variables[name] = environ[name]
    else:
        variables.pop(name, None)
        on_unset(f"{where}: {name} is not set in your environment and is left out")
