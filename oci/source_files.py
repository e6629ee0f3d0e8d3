"""The files of an image that lies on this host, looked at before skopeo opens them.

skopeo 1.9.3 follows links wherever they lead, and waits for ever for the other end of a FIFO.
"""

import os
import stat
from pathlib import Path

from oci.errors import ImageError
from oci.location import ImageLocation, Transport


def check_source(source: ImageLocation) -> None:
    """Raise ImageError when an archive is no plain file, or a folder of `dir:` holds other things
    than plain files. Layouts are not read by skopeo (`oci.layout_intake`)."""
    if source.path is None:
        return
    if source.transport is Transport.DIRECTORY:
        _check_folder(source.path, str(source))
    elif source.transport in (Transport.OCI_ARCHIVE, Transport.DOCKER_ARCHIVE):
        _check_plain(source.path, str(source))


def _check_plain(archive: Path, origin: str) -> None:
    try:
        mode = archive.stat().st_mode
    except FileNotFoundError as error:
        raise ImageError(f"no such file or folder: {archive}") from error
    except OSError as error:
        raise ImageError(f"{origin} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise ImageError(f"{origin}: {archive} is no plain file")


def _check_folder(folder: Path, origin: str) -> None:
    try:
        with os.scandir(folder) as entries:
            strange = sorted(e.name for e in entries if not e.is_file(follow_symlinks=False))
    except FileNotFoundError as error:
        raise ImageError(f"no such file or folder: {folder}") from error
    except OSError as error:
        raise ImageError(f"{origin} cannot be read: {error.strerror}") from error
    if strange:
        raise ImageError(f"{origin}: {strange[0]!r} in it is no plain file")
