"""What is wrong with a configuration file, said with file and key."""

import difflib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oci.errors import UsageError

_SHORT_LIST = 14


class ConfigError(UsageError):
    """A configuration file is wrong: `FILE: KEY.PATH: what`."""


_shown_as: dict[Path, Path] = {}


@contextmanager
def shown_as(folder: Path, name: str) -> Iterator[None]:
    """In the block, messages call a folder by this name: one that is ours, and soon gone."""
    _shown_as[folder] = Path(name)
    try:
        yield
    finally:
        del _shown_as[folder]


def shown(path: Path) -> str:
    """A file's name in messages: relative when it lies below the current folder."""
    for folder, name in _shown_as.items():
        if path.is_relative_to(folder):
            return str(name / path.relative_to(folder))
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def reason(error: OSError) -> str:
    """The kernel's words, in lower case as the middle of a sentence."""
    return (error.strerror or os.strerror(error.errno or 0)).lower()


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?`, else the known words when they are few, else nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(names)}" if 0 < len(names) <= _SHORT_LIST else ""


def key_path(at: str, key: str) -> str:
    """`at.key`, quoted as TOML quotes it when the key is not a bare one."""
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    shown_key = key if bare else '"' + key.encode("unicode_escape").decode() + '"'
    return f"{at}.{shown_key}" if at else shown_key
