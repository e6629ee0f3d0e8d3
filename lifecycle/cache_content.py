"""What the lifecycle keeps in its part of a cache, read as what somebody else may have written.
Its form is that of `lifecycle.cache_metadata`.
"""

import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from lifecycle.cache_metadata import COMMITTED, MAX_METADATA_BYTES, METADATA, CacheMetadata
from oci.digest import Digest
from oci.errors import ImageError
from oci.hashing_reader import HashingReader
from oci.plain_file import read_plain_file
from oci.tar_headers import TarHeaders
from oci.tree_untar import DAMAGE

_LAYER = re.compile(r"sha256:([0-9a-f]{64})\.tar")
_MAX_LAYER_BYTES = 32 << 30


def layer_name(diff_id: Digest) -> str:
    """The file of a layer."""
    return f"{diff_id}.tar"


def committed_layers(folder: Path) -> tuple[Digest, ...]:
    """The layers in a `committed` folder, by name; links and what has another name are none."""
    if folder.is_symlink() or not folder.is_dir():
        return ()
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            matched = _LAYER.fullmatch(entry.name)
            if matched and entry.is_file(follow_symlinks=False):
                found.append(Digest(matched.group(1)))
    return tuple(sorted(found))


def read_metadata(folder: Path) -> str:
    """The metadata of a `committed` folder; empty when there is none that can be used."""
    try:
        text = read_plain_file(folder, METADATA, max_bytes=MAX_METADATA_BYTES).decode()
        check_metadata(text)
    except (ImageError, OSError, ValueError):
        return ""
    return text


def check_metadata(text: str) -> None:
    """Raises ImageError when this is not the metadata of a cache."""
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(f"the cache's metadata cannot be read: {error}") from error


def missing_layers(folder: Path) -> frozenset[str]:
    """The layers that the metadata of a `committed` folder names and that are not there."""
    metadata = read_metadata(folder)
    if not metadata:
        return frozenset()
    try:
        read = msgspec.json.decode(metadata, type=CacheMetadata)
    except msgspec.DecodeError as error:
        raise ImageError(f"the cache's metadata cannot be read: {error}") from error
    return read.layers - {str(digest) for digest in committed_layers(folder)}


def check_committed(folder: Path, *, in_place: bool = False) -> None:
    """Every file of a `committed` folder is what its name says, and a layer would be restored to
    where layers are; ImageError otherwise. The folder need not be there.

    in_place: where the lifecycle keeps it: a killed one leaves second names of its files.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ImageError(f"the cache has something else for the folder {COMMITTED}")
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        matched = _LAYER.fullmatch(path.name)
        if not stat.S_ISREG(status.st_mode) or (status.st_nlink != 1 and not in_place):
            raise ImageError(f"the cache has a link or a folder for a file: {path.name[:100]!r}")
        if matched is not None:
            check_layer(path, Digest(matched.group(1)))
        elif path.name == METADATA:
            check_metadata(
                read_plain_file(folder, METADATA, max_bytes=MAX_METADATA_BYTES).decode(
                    errors="replace"
                )
            )
        else:
            raise ImageError(f"the cache has a file that no lifecycle makes: {path.name[:100]!r}")


def check_layer(path: Path, diff_id: Digest) -> None:
    """The restorer unpacks a layer from `/` on: nothing in it may lie outside of /layers, nor
    behind a link of its own."""
    links: set[PurePosixPath] = set()
    with path.open("rb") as file:
        reader = HashingReader(file, _MAX_LAYER_BYTES)
        try:
            for member in TarHeaders(reader):  # type: ignore[arg-type]
                place = _check_inside(member.name)
                if links.intersection((place, *place.parents)):
                    raise ImageError(f"a cached layer writes through a link: {member.name[:200]!r}")
                if member.issym():
                    links.add(place)
                if member.islnk():
                    _check_inside(member.linkname)
                elif not (member.isreg() or member.isdir() or member.issym()):
                    raise ImageError(f"a cached layer has a device in it: {member.name[:200]!r}")
            reader.drain()
        except DAMAGE as error:
            raise ImageError(f"the cached layer {diff_id.short} is damaged: {error}") from error
    if reader.digest() != diff_id:
        raise ImageError(f"the cached layer {diff_id.short} does not hold what its name says")


def _check_inside(name: str) -> PurePosixPath:
    place = PurePosixPath("/", name)
    if ".." in place.parts or place.parts[1:2] != ("layers",):
        raise ImageError(f"a cached layer has an entry outside of /layers: {name[:200]!r}")
    return place
