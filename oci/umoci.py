"""umoci: unpacks an image into a root filesystem."""

from pathlib import Path

from oci.errors import DISK_FULL_HINT, CommandError, ImageError, StorageError
from oci.host_tools import find_tool, missing_tool
from oci.idmap import IdMap
from oci.layout import TAG
from oci.userns import UserNamespace


def unpack_argv(layout: Path, bundle: Path, *, id_map: IdMap) -> tuple[str, ...]:
    """The argv that unpacks a layout's image into a new bundle folder.

    With a single id umoci keeps the real owners in extended attributes and makes every file
    the caller's (`--rootless`); else files get the owners that the id map gives them.
    """
    if id_map.single:
        maps: tuple[str, ...] = ("--rootless",)
    else:
        maps = (
            *(option for r in id_map.uids for option in ("--uid-map", str(r))),
            *(option for r in id_map.gids for option in ("--gid-map", str(r))),
        )
    return ("umoci", "unpack", *maps, "--image", f"{layout}:{TAG}", str(bundle))


def unpack(layout: Path, bundle: Path, *, id_map: IdMap, namespace: UserNamespace) -> None:
    """Unpack into `bundle`, a new folder in an existing one; the files are in `bundle/rootfs`."""
    if find_tool("umoci") is None:  # nsenter would start, and then not find it
        raise missing_tool("umoci")
    try:
        namespace.run(*unpack_argv(layout, bundle, id_map=id_map))
    except CommandError as error:
        if any("no space left on device" in line for line in error.details):
            raise StorageError(
                f"the disk is full: {layout} cannot be unpacked below {bundle.parent}",
                hint=DISK_FULL_HINT,
            ) from error
        raise ImageError(f"umoci could not unpack {layout}", details=error.details[-5:]) from error
