"""All that a file system tells of a folder, to compare before and after."""

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """One file, folder, link or special file. `content`: a digest, or what a link says."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int
    inode: int
    content: str
    attributes: tuple[tuple[str, bytes], ...]


def tree_state(root: Path) -> dict[bytes, FileState]:
    """By path relative to the root, `.` for the root. Nothing is opened that could block."""
    top = os.fsencode(root)
    state = {b".": _file_state(top)}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  (bytes: names may be no text)
            state[os.path.relpath(path, top)] = _file_state(path)
    return state


def _file_state(path: bytes) -> FileState:
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
        content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.fsdecode(os.readlink(path))  # noqa: PTH115
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return FileState(
        mode=status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        links=status.st_nlink,
        inode=status.st_ino,
        content=content,
        attributes=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
    )
