"""A base image made from a root filesystem archive: one layer, and a configuration for it."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.builder import (
    DISTRO_NAME_LABEL,
    DISTRO_VERSION_LABEL,
    GID_VARIABLE,
    UID_VARIABLE,
)
from lifecycle.image_time import rfc3339
from oci.errors import ImageError
from oci.layer_writer import open_tarball, write_tarball
from oci.layout import Layout, LayoutImage
from oci.platform import Platform

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CNB_ID = 1000
_READ_FILES = ("etc/passwd", "etc/os-release", "usr/lib/os-release")
_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """What an image of a root filesystem says.

    user: the name in its /etc/passwd that containers run as; without such an entry 1000:1000.
    for_building: its environment names that user and its home, as a build image's must. Into the
        images of applications, which inherit it from a run image, neither belongs.
    labels: added to those about the distribution. annotations: of the manifest, which images
        that stand on this one do not inherit.
    """

    user: str
    for_building: bool
    created: int
    comment: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class _User:
    uid: int
    gid: int
    home: str

    def variables(self) -> tuple[str, ...]:
        return (
            f"HOME={self.home}",
            f"{UID_VARIABLE}={self.uid}",
            f"{GID_VARIABLE}={self.gid}",
        )


def write_base_image(
    layout: Layout, tarball: Path, base: BaseImage, platform: Platform
) -> LayoutImage:
    """Write the image into the layout. CNB_USER_ID and CNB_GROUP_ID are those of `user`."""
    files = _read_files(tarball)
    user = _user(files.get("etc/passwd", b""), base.user)
    release = _os_release(files.get("usr/lib/os-release") or files.get("etc/os-release") or b"")
    layer = write_tarball(layout, tarball)
    created = rfc3339(base.created)
    labels = {
        **base.labels,
        **({DISTRO_NAME_LABEL: release["ID"]} if release.get("ID") else {}),
        **({DISTRO_VERSION_LABEL: release["VERSION_ID"]} if release.get("VERSION_ID") else {}),
    }
    config: dict[str, Any] = {
        "created": created,
        "architecture": platform.architecture,
        "os": platform.os,
        **({"variant": platform.variant} if platform.variant else {}),
        "config": {
            "User": f"{user.uid}:{user.gid}",
            "Env": [f"PATH={_PATH}", *(user.variables() if base.for_building else ())],
            "WorkingDir": "/",
            "Labels": dict(sorted(labels.items())),
        },
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
        "history": [{"created": created, "created_by": base.comment}],
    }
    layers = [msgspec.to_builtins(layer.descriptor)]
    return layout.write_image(config, layers, annotations=base.annotations)


def _read_files(tarball: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with open_tarball(tarball) as content, tarfile.open(fileobj=content, mode="r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./").lstrip("/")
                if name in _READ_FILES and member.isreg() and member.size <= _MAX_FILE_BYTES:
                    file = archive.extractfile(member)
                    found[name] = b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ImageError(f"{tarball} is not a tar archive, or damaged: {error}") from error
    return found


def _user(passwd: bytes, name: str) -> _User:
    for line in passwd.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[0] == name and fields[2].isdigit() and fields[3].isdigit():
            return _User(int(fields[2]), int(fields[3]), fields[5])
    return _User(_CNB_ID, _CNB_ID, "/home/cnb")


def _os_release(content: bytes) -> dict[str, str]:
    pairs = (
        line.partition("=")
        for line in content.decode(errors="replace").splitlines()
        if "=" in line and not line.startswith("#")
    )
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
