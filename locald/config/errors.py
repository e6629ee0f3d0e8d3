"""What is wrong with a configuration file, said with file and key."""

import os
from pathlib import Path

from oci.errors import UsageError


class ConfigError(UsageError):
    """A configuration file is wrong: `FILE: KEY.PATH: what`."""


def shown(path: Path) -> str:
    """A file's name in messages: relative when it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def reason(error: OSError) -> str:
    """The kernel's words, in lower case as the middle of a sentence."""
    return (error.strerror or os.strerror(error.errno or 0)).lower()
