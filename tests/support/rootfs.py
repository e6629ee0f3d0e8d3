"""A root filesystem of a few hundred kilobytes: busybox, and the folders that images have."""

import shutil
from pathlib import Path

from oci.errors import HostError
from oci.idmap import SubordinateIds
from oci.process import CommandRunner
from oci.userns import UserNamespace

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
    return folder


def give_to_root(rootfs: Path, runner: CommandRunner) -> None:
    """Own it as a real image is under `IdMap(1000, 1000)`: by root, but for the user's home."""
    ids = SubordinateIds.of_current_user()
    with UserNamespace(runner, ids=ids) as namespace:
        namespace.run("chown", "-hR", "1:1", str(rootfs))
        namespace.run("chown", "-hR", "0:0", str(rootfs / "home/cnb"))
        namespace.run("chmod", "1777", str(rootfs / "tmp"))


def remove_rootfs(rootfs: Path, runner: CommandRunner) -> None:
    """Delete one that `give_to_root` was called for."""
    with UserNamespace(runner, ids=SubordinateIds.of_current_user()) as namespace:
        namespace.remove_tree(rootfs)
