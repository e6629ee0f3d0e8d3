"""A lifecycle that takes the place of the builder's: a folder mounted over /cnb/lifecycle."""

import os
import shutil
from pathlib import Path

from lifecycle.lifecycle_source import REQUIRED, Lifecycle
from lifecycle.unpacked import UnpackedFolders
from oci.errors import ImageError
from oci.platform import Platform
from oci.tree_digest import digest_tree

# ELF's e_machine → GOARCH, for the machines that builders are made for.
_MACHINES = {
    0x03: "386", 0x15: "ppc64le", 0x16: "s390x", 0x28: "arm", 0x3E: "amd64", 0xB7: "arm64",
    0xF3: "riscv64",
}  # fmt: skip


def mountable_folder(
    lifecycle: Lifecycle, platform: Platform, *, unpacked: UnpackedFolders, origin: str
) -> Path:
    """The folder with a program for each phase. Raises ImageError that names `origin`.

    The lifecycle's own folder, or, where it lacks links to its one program, a copy with them.
    """
    for name in REQUIRED:
        _check_program(lifecycle.folder / lifecycle.links.get(name, name), platform, origin)
    if not lifecycle.links:
        return lifecycle.folder

    def fill(folder: Path) -> None:
        for file in sorted(lifecycle.folder.iterdir()):
            # The bills of materials beside the launcher go with it into images.
            if file.is_file() and not file.is_symlink():
                shutil.copyfile(file, folder / file.name)
                (folder / file.name).chmod(0o755 if os.access(file, os.X_OK) else 0o644)
        for name, target in lifecycle.links.items():
            (folder / name).symlink_to(target)

    return unpacked.folder(f"linked-{digest_tree(lifecycle.folder).hex}", fill)


def _check_program(program: Path, platform: Platform, origin: str) -> None:
    if not program.resolve().is_relative_to(program.parent.resolve()):
        raise ImageError(
            f"{origin}: {program.name} is a link out of the lifecycle's folder",
            hint="give a folder that holds the programs themselves",
        )
    if not os.access(program, os.X_OK):
        raise ImageError(f"{origin}: {program.name} may not be executed")
    with program.open("rb") as file:
        head = file.read(20)
    if head.startswith(b"#!"):
        return
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        raise ImageError(f"{origin}: {program.name} is no program for Linux")
    order = "big" if head[5] == 2 else "little"
    machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
    if _MACHINES.get(machine, "") != platform.architecture:
        made_for = _MACHINES.get(machine, f"ELF machine {machine}")
        raise ImageError(
            f"{origin}: {program.name} is made for {made_for}, not for {platform}",
            hint="give a lifecycle of that platform, or another --platform",
        )
