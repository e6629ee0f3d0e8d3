"""Paths that the user gave on the command line."""

import os
from pathlib import Path

from oci.errors import UsageError


def report_path(path: Path | None) -> Path | None:
    """Where a report goes: an absolute path, or `-` as it is."""
    return path if path is None or str(path) == "-" else path.absolute()


def readable_path(path: Path | None, flag: str) -> Path | None:
    """A file that must be there and readable, as an absolute path."""
    if path is None:
        return None
    if not path.is_file():
        raise UsageError(f"{flag}: {path}: no such file")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{flag}: {path}: you cannot read it")
    return path.absolute()
