"""Procfile: `name: command`, one process type per line."""

import re
from collections.abc import Mapping
from pathlib import Path

from locald.config.errors import ConfigError, shown
from locald.config.text_file import read_text

FILE_NAME = "Procfile"

# Process types as the buildpack specification allows them.
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def read_procfile(path: Path) -> Mapping[str, str]:
    """Process type → shell command, in the file's order. Raises ConfigError with the line."""
    return parse_procfile(read_text(path), label=shown(path))


def parse_procfile(text: str, *, label: str = FILE_NAME) -> Mapping[str, str]:
    """As `read_procfile`; `label` is the file's name in messages."""
    processes: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        line = raw.strip(" \t")
        if not line or line.startswith("#"):
            continue
        name, colon, command = line.partition(":")
        name, command = name.rstrip(), command.strip()
        if not colon or not _NAME.fullmatch(name):
            raise ConfigError(
                f"{label}:{number}: not a process: {line[:60]!r}",
                hint="write NAME: COMMAND, such as `web: python app.py`",
            )
        if not command:
            raise ConfigError(f"{label}:{number}: the process {name} has no command")
        if "\0" in command:
            raise ConfigError(f"{label}:{number}: the command holds a NUL character")
        if name in processes:
            raise ConfigError(
                f"{label}:{number}: the process {name} is already on line {lines[name]}"
            )
        processes[name] = command
        lines[name] = number
    return processes
