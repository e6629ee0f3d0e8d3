"""Who runs in a container of an image: the ids that its `User` means."""

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oci.errors import ImageError
from oci.idmap import CONTAINER_IDS
from oci.layer_scan import OPAQUE_WHITEOUT, WHITEOUT_PREFIX
from oci.layer_writer import open_tarball
from oci.store import StoredImage

_ACCOUNTS = ("passwd", "group")
_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class ImageUser:
    """Ids inside the container."""

    uid: int
    gid: int


def image_user(stored: StoredImage) -> ImageUser:
    """From `USER`, `UID`, or either with `:GROUP` or `:GID`; nothing means root.

    Names are looked up in the image's layers, because the ids decide how these are unpacked.
    Raises ImageError for a user that the image does not know.
    """
    text = stored.config.config.user
    user, _, group = text.partition(":")
    if user in ("", "0", "root") and not group:
        return ImageUser(0, 0)
    if user.isdecimal() and group.isdecimal():
        return ImageUser(_checked(int(user), text), _checked(int(group), text))
    files = _account_files(stored)
    uid, gid = _user_ids(user, files.get("passwd", ""), text)
    if group:
        gid = int(group) if group.isdecimal() else _group_id(group, files.get("group", ""), text)
    return ImageUser(_checked(uid, text), _checked(gid, text))


def home_folder(rootfs: Path, uid: int) -> str:
    """The user's home by the image's /etc/passwd, or "/". Links in the image are not followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        etc = os.open(rootfs / "etc", flags | os.O_DIRECTORY)
    except OSError:
        return "/"
    try:
        with suppress(OSError), os.fdopen(os.open("passwd", flags, dir_fd=etc), "rb") as file:
            for fields in _fields(file.read(_MAX_FILE_BYTES).decode(errors="replace")):
                if len(fields) > 5 and fields[2] == str(uid) and fields[5].startswith("/"):
                    return fields[5]
    finally:
        os.close(etc)
    return "/"


def _user_ids(user: str, passwd: str, text: str) -> tuple[int, int]:
    for fields in _fields(passwd):
        if len(fields) > 3 and user in (fields[0], fields[2]) and fields[3].isdecimal():
            with suppress(ValueError):
                return int(fields[2]), int(fields[3])
    if user.isdecimal():
        return int(user), 0
    raise ImageError(f"the image's user {text[:100]!r} is not in its /etc/passwd")


def _group_id(group: str, groups: str, text: str) -> int:
    for fields in _fields(groups):
        if len(fields) > 2 and fields[0] == group and fields[2].isdecimal():
            return int(fields[2])
    raise ImageError(f"the group of the image's user {text[:100]!r} is not in its /etc/group")


def _fields(text: str) -> Iterator[list[str]]:
    return (line.split(":") for line in text.splitlines())


def _checked(number: int, text: str) -> int:
    if number >= CONTAINER_IDS:
        raise ImageError(f"the image's user {text[:100]!r} has an id above {CONTAINER_IDS - 1}")
    return number


def _account_files(stored: StoredImage) -> dict[str, str]:
    """The text of /etc/passwd and /etc/group, from the highest layer that has each."""
    found: dict[str, str] = {}
    for descriptor in reversed(stored.image.manifest.layers):
        if len(found) == len(_ACCOUNTS):
            break
        digest = descriptor.parsed_digest()
        try:
            layer = _accounts_in_layer(stored.layout.blob_path(digest))
        except (tarfile.TarError, EOFError, OSError, zlib.error, gzip.BadGzipFile) as error:
            raise ImageError(f"the layer {digest.short} cannot be read: {error}") from error
        found = {**layer, **found}
    return found


def _accounts_in_layer(blob: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with open_tarball(blob) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        for member in archive:
            folder, _, name = member.name.removeprefix("./").lstrip("/").rpartition("/")
            if folder == "etc" and name in _ACCOUNTS and member.isreg():
                content = archive.extractfile(member)
                data = content.read(_MAX_FILE_BYTES) if content is not None else b""
                found[name] = data.decode(errors="replace")
            elif folder == "etc" and name.startswith(WHITEOUT_PREFIX):
                hidden = _ACCOUNTS if name == OPAQUE_WHITEOUT else (name[len(WHITEOUT_PREFIX) :],)
                for account in set(hidden).intersection(_ACCOUNTS):
                    found.setdefault(account, "")
            if all(found.get(account) for account in _ACCOUNTS):
                break
            # The list that tarfile keeps of all members would grow with the layer.
            archive.members = []  # type: ignore[attr-defined]
    return found
