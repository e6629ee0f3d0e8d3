"""One digest for the source as the build sees it: names, contents, links, permissions.

Times and owners do not count: no image has them.
"""

import hashlib
import os
import stat
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from oci.digest import Digest
from oci.file_digests import FileDigests


def source_digest(
    root: Path, digests: FileDigests, *, hidden: Collection[PurePosixPath] = ()
) -> Digest:
    """The same for the same source, wherever it lies.

    hidden: what the build does not see, relative to `root`. Raises OSError when something
    cannot be read, or goes away meanwhile.
    """
    hasher = hashlib.sha256()
    left_out = {os.fsencode(path) for path in hidden}
    base = os.fsencode(root)
    _field(hasher, b"folder", b"", _mode(os.stat(base)))  # noqa: PTH116  (bytes)
    pending = [b""]
    while pending:
        folder = pending.pop()
        place = base + b"/" + folder
        with os.scandir(place) as iterator:
            entries = sorted(iterator, key=lambda entry: entry.name)
        for entry in entries:
            path = folder + entry.name
            if path in left_out:
                continue
            status = entry.stat(follow_symlinks=False)
            mode = _mode(status)
            if stat.S_ISREG(status.st_mode):
                _field(hasher, b"file", path, mode, digests.digest(place + entry.name, status))
            elif stat.S_ISDIR(status.st_mode):
                _field(hasher, b"folder", path, mode)
                pending.append(path + b"/")
            elif stat.S_ISLNK(status.st_mode):
                _field(hasher, b"link", path, os.readlink(entry.path))  # noqa: PTH115  (bytes)
            # A socket or a device is hidden always.
    return Digest(hasher.hexdigest())


def _mode(status: os.stat_result) -> bytes:
    return b"%o" % stat.S_IMODE(status.st_mode)


def _field(hasher: "hashlib._Hash", *parts: bytes) -> None:
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
