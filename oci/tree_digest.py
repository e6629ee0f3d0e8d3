"""One digest for what a file or folder holds: names, contents, links, and what is executable."""

import hashlib
import os
from pathlib import Path

from oci.digest import Digest
from oci.errors import ImageError


def digest_tree(path: Path) -> Digest:
    """The same for the same content, wherever it lies; times and owners do not count."""
    hasher = hashlib.sha256()
    try:
        _add(hasher, path, b"")
    except OSError as error:
        raise ImageError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    return Digest(hasher.hexdigest())


def _add(hasher: "hashlib._Hash", path: Path, name: bytes) -> None:
    if name and path.is_symlink():
        _field(hasher, b"link", name, os.fsencode(path.readlink()))
    elif path.is_dir():
        _field(hasher, b"folder", name)
        for entry in sorted(path.iterdir(), key=lambda entry: os.fsencode(entry.name)):
            if entry.name != "__pycache__":
                _add(hasher, entry, name + b"/" + os.fsencode(entry.name))
    else:
        executable = b"x" if path.stat().st_mode & 0o111 else b"-"
        _field(hasher, b"file", name, executable, Digest.of_file(path).hex.encode())


def _field(hasher: "hashlib._Hash", *parts: bytes) -> None:
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
