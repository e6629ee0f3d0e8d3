"""Deleting trees whose folders may not be readable or writable, as their owner may."""

import os
import shutil
from pathlib import Path


def remove_tree(path: Path) -> bool:
    """Delete a folder and all below it; returns whether it is gone.

    Folders without permissions (Go's module cache, an overlay's work folder) get them first.
    What belongs to other ids stays; `UserNamespace.remove_tree` deletes that.
    """
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _permit_folders(path)
        shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all below it; what is not there is fine."""
    make_way(path)
    path.unlink(missing_ok=True)


def make_way(path: Path) -> None:
    """Delete a folder that stands in the place of a file: nothing can be renamed over it."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)


def _permit_folders(path: Path) -> None:
    pending = [path]
    while pending:
        folder = pending.pop()
        try:
            folder.chmod(0o700)
            with os.scandir(folder) as entries:
                pending += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
