"""Takes the files out of a zip archive that somebody else made, into a new folder.

`zipfile`'s own extraction is not used: it knows neither modes nor links nor limits.
"""

import lzma
import os
import stat
import zipfile
import zlib
from pathlib import Path

from oci.errors import ImageError
from oci.fresh_folder import FreshFolder, entry_path
from oci.untar import UntarLimits

# "Version made by": systems whose archives say modes. What others made is executable, as for
# pack: a script that was packed on Windows would not run otherwise.
_UNIX = (3, 19)
_MODE_OF_OTHERS = 0o755
_ENCRYPTED = 0x1
_MAX_LINK_BYTES = 4095

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError,
)  # fmt: skip


def is_zip(path: Path) -> bool:
    """Does the file end as a zip archive does?"""
    return zipfile.is_zipfile(path)


def unzip_file(archive: Path, folder: Path, *, limits: UntarLimits | None = None) -> None:
    """Extract files with their modes, folders, and links that stay inside, into `folder`, which
    exists. Later entries replace earlier ones; owners and times are not kept.

    Raises ImageError, also for what would act outside of the folder.
    """
    limits = limits or UntarLimits()
    target = FreshFolder(folder, str(archive))
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            if len(entries) > limits.entries:
                raise target.too_much()
            left = limits.size_bytes
            for entry in entries:
                left -= _make(content, entry, target, left)
    except _DAMAGE as error:
        raise ImageError(f"{archive} is not a zip archive, or damaged: {error}") from error
    except OSError as error:
        raise ImageError(f"{archive} cannot be unpacked: {error}") from error


def _make(content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: FreshFolder, left: int) -> int:
    """Make one entry, of at most `left` bytes; returns its size."""
    has_modes = entry.create_system in _UNIX and entry.external_attr >> 16
    # Some programs on Windows separate folders in their own way.
    name = entry.filename if has_modes else entry.filename.replace("\\", "/")
    path = entry_path(name, target.origin)
    kind = stat.S_IFMT(entry.external_attr >> 16) if has_modes else 0
    mode = entry.external_attr >> 16 & 0o777 if has_modes else _MODE_OF_OTHERS
    if not path.parts:
        return 0
    if name.endswith("/") or kind == stat.S_IFDIR:
        target.add_folder(path)
        return 0
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise target.strange(path)
    if entry.flag_bits & _ENCRYPTED:
        raise ImageError(f"{target.origin}: {path} is encrypted")
    with content.open(entry) as file:
        if kind == stat.S_IFLNK:
            text = os.fsdecode(file.read(_MAX_LINK_BYTES + 1))
            if not text or "\0" in text or len(text) > _MAX_LINK_BYTES:
                raise ImageError(f"{target.origin}: {path} is a link to nothing that can be")
            target.add_link(path, text)
            return 0
        return target.add_file(path, file, mode=mode, max_bytes=left)
