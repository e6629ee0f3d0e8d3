"""A root filesystem of a few hundred kilobytes: busybox, and the folders that images have."""

import os
import shutil
from pathlib import Path

from oci.errors import HostError

_FOLDERS = (
    "bin", "dev", "etc", "home/cnb", "layers", "platform", "proc", "sys", "tmp", "workspace",
)  # fmt: skip
_APPLETS = (
    "cat", "chmod", "cp", "date", "echo", "env", "false", "find", "grep", "head", "hostname",
    "id", "ip", "kill", "ls", "mkdir", "mount", "nc", "readlink", "rm", "sh", "sleep", "sort",
    "stat", "sync", "test", "touch", "true", "unshare", "wget",
)  # fmt: skip


def make_rootfs(folder: Path, *, uid: int = 1000, gid: int = 1000) -> Path:
    """Fill `folder`, which must not exist; every file belongs to the caller."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise HostError("`busybox` is not installed", hint="sudo apt install busybox-static")
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)
    shutil.copyfile(busybox, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    for applet in _APPLETS:
        (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc/passwd").write_text(
        f"root:x:0:0:root:/root:/bin/sh\ncnb:x:{uid}:{gid}:cnb:/home/cnb:/bin/sh\n"
    )
    (folder / "etc/group").write_text(f"root:x:0:\ncnb:x:{gid}:\n")
    (folder / "etc/image-file").write_text("from the image\n")
    (folder / "tmp").chmod(0o1777)
    folder.chmod(0o755)
    os.sync()
    return folder
