"""Root filesystems that try to lead a mount somewhere else are refused.

An image can make `/proc`, `/etc` or a mount's target a link to a place of its choice; more than
one runtime has followed such links (CVE-2019-19921, CVE-2021-30465, CVE-2025-31133). Nothing that
a real image needs is lost when they are refused before any runtime sees them.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from oci.errors import ImageError

_ROOT = PurePosixPath("/")
FOLDERS = tuple(
    _ROOT / name
    for name in (
        "dev",
        "proc",
        "sys",
        "tmp",
        "etc",
        "run",
        "workspace",
        "layers",
        "cache",
        "platform",
        "cnb",
    )
)


def check_rootfs(rootfs: Path, targets: Iterable[PurePosixPath]) -> None:
    """Raise ImageError unless the usual folders, the targets and all above them are plain.

    rootfs: an unpacked root filesystem.
    targets: where something will be mounted; what is missing there is fine.
    """
    for folder in (_ROOT, *FOLDERS):
        status = _status(rootfs, folder)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise _refused(folder, status)
    for target in targets:
        for path in reversed((target, *target.parents)):
            status = _status(rootfs, path)
            if status is None:
                break
            if not stat.S_ISDIR(status.st_mode) and not (
                path == target and stat.S_ISREG(status.st_mode)
            ):
                raise _refused(path, status)


def linked_files(rootfs: Path, targets: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Those of our own files (such as /etc/resolv.conf) which the image has as links.

    They are common and harmless, once the link is taken away before the file is mounted.
    """
    return tuple(
        target
        for target in targets
        if (status := _status(rootfs, target)) is not None and stat.S_ISLNK(status.st_mode)
    )


def _status(rootfs: Path, path: PurePosixPath) -> os.stat_result | None:
    try:
        return (rootfs / path.relative_to(_ROOT)).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ImageError(f"the image's {path} cannot be checked: {error.strerror}") from error


def _refused(path: PurePosixPath, status: os.stat_result) -> ImageError:
    kind = "a link" if stat.S_ISLNK(status.st_mode) else "no folder"
    return ImageError(
        f"the image is refused: its {path} is {kind}",
        hint="mounts made there could end up elsewhere; ask the maker of the image",
    )
