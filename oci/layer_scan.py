"""Reads every header of a layer before any tool unpacks it.

umoci 0.4.7 believes a whiteout whose name is `..` and then deletes outside of the root that it
unpacks into; skopeo 1.9.3 checks compressed digests only. So a layer is read here first: names,
whiteouts, link targets, counts, sizes, and the digest of what it holds uncompressed.
"""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from oci.digest import Digest
from oci.errors import ImageError
from oci.hashing_reader import HashingReader
from oci.layer_content import DAMAGE, layer_type, open_layer
from oci.tar_headers import TarHeaders

WHITEOUT_PREFIX = ".wh."
OPAQUE_WHITEOUT = ".wh..wh..opq"


_NAME_BYTES = 255
_KINDS = frozenset(
    {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE,
     tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScanLimits:
    """What one layer may hold at most. `size_bytes` counts it uncompressed, and is lowered for a
    blob that is small: to `ratio` times its size, yet never below `bomb_bytes`. Real layers are
    four times their blobs' size, seldom ten times. umoci takes 13 s for a path of 1000 parts."""

    entries: int = 2_000_000
    size_bytes: int = 32 << 30
    path_bytes: int = 4096
    path_parts: int = 200
    ratio: int = 200
    bomb_bytes: int = 1 << 30

    def size_for(self, blob_bytes: int) -> int:
        """How large the content of a blob of this size may be."""
        return min(self.size_bytes, max(self.bomb_bytes, self.ratio * blob_bytes))


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """What a scan found. largest_uid, largest_gid: of the owners of its entries."""

    entries: int
    size_bytes: int
    largest_uid: int = 0
    largest_gid: int = 0


def scan_layer(
    path: Path, *, media_type: str, diff_id: Digest, limits: ScanLimits | None = None
) -> LayerSummary:
    """Read a layer blob to its end; raises ImageError at the first thing that is not right."""
    limits = limits or ScanLimits()
    name = path.name[:12]
    kind = layer_type(media_type, layer=name)
    try:
        with open_layer(path, kind) as content:
            stream = HashingReader(content, limits.size_for(path.stat().st_size))
            summary = _scan_entries(stream, limits)
    except (tarfile.TarError, ValueError, *DAMAGE) as error:
        raise ImageError(f"the layer {name} is damaged: {error}") from error
    except ImageError as error:
        raise ImageError(f"the layer {name}: {error.message}", hint=error.hint) from error
    if stream.digest() != diff_id:
        raise ImageError(
            f"the layer {name} does not hold what the image says: "
            f"expected {diff_id}, found {stream.digest()}"
        )
    return summary


def check_name(name: str) -> None:
    """Refuse an entry whose name could act outside of the root it is unpacked into."""
    if "\0" in name:
        raise ImageError(f"an entry with a NUL in its name: {name[:200]!r}")
    # umoci tidies the name before it looks at the last part: `a/./b/.` is `a/b`.
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ImageError(f"an entry with `..` in its name: {name[:200]!r}")
    base = parts[-1] if parts else ""
    if base.startswith(WHITEOUT_PREFIX) and base != OPAQUE_WHITEOUT:
        hidden = base.removeprefix(WHITEOUT_PREFIX)
        if hidden in ("", ".", ".."):
            raise ImageError(f"a whiteout of nothing or of a parent: {name[:200]!r}")
    if any(part.startswith(WHITEOUT_PREFIX) for part in parts[:-1]):
        raise ImageError(f"an entry below a whiteout: {name[:200]!r}")
    if any(len(part.encode(errors="surrogateescape")) > _NAME_BYTES for part in parts):
        raise ImageError(f"an entry whose name no file system takes: {name[:60]!r}…")


def _scan_entries(stream: HashingReader, limits: ScanLimits) -> LayerSummary:
    entries = largest_uid = largest_gid = 0
    headers = TarHeaders(cast(IO[bytes], stream))
    for member in headers:
        entries += 1
        if entries > limits.entries:
            raise ImageError(f"more than {limits.entries} entries")
        _check_member(member, entries, limits)
        largest_uid = max(largest_uid, member.uid)
        largest_gid = max(largest_gid, member.gid)
    stream.drain()
    if stream.last_content > headers.end:
        raise ImageError("data after its end")
    return LayerSummary(
        entries=entries,
        size_bytes=stream.size_bytes,
        largest_uid=largest_uid,
        largest_gid=largest_gid,
    )


def _check_member(member: tarfile.TarInfo, number: int, limits: ScanLimits) -> None:
    for text in (member.name, member.linkname):
        if len(text.encode(errors="surrogateescape")) > limits.path_bytes:
            raise ImageError(f"entry {number} has a name that is too long")
        if text.count("/") > limits.path_parts:
            raise ImageError(f"entry {number} is too many folders deep")
    check_name(member.name)
    if member.islnk():
        check_name(member.linkname)
    elif member.issym() and ("\0" in member.linkname or not member.linkname):
        raise ImageError(f"a link to nowhere: {member.name[:200]!r}")
    if member.sparse is not None or member.type not in _KINDS:
        raise ImageError(
            f"an entry of a kind that no layer needs ({member.type!r}): {member.name[:200]!r}"
        )
    if not member.isdir() and not member.name.strip("./"):
        raise ImageError("something else in place of the root folder")
    if min(member.uid, member.gid) < 0:
        raise ImageError(f"an entry with a negative owner: {member.name[:200]!r}")
