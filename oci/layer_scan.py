"""Reads every header of a layer before any tool unpacks it.

umoci 0.4.7 believes a whiteout whose name is `..` and then deletes outside of the root that it
unpacks into; skopeo 1.9.3 checks compressed digests only. So a layer is read here first: names,
whiteouts, link targets, counts, sizes, and the digest of what it holds uncompressed.
"""

import gzip
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from oci.digest import Digest
from oci.errors import ImageError
from oci.hashing_reader import HashingReader
from oci.image import OCI_EQUIVALENT, OCI_LAYER_GZIP, OCI_LAYER_TAR
from oci.tar_headers import TarHeaders

WHITEOUT_PREFIX = ".wh."
OPAQUE_WHITEOUT = ".wh..wh..opq"


@dataclass(frozen=True, kw_only=True)
class ScanLimits:
    """What one layer may hold at most. `size_bytes` counts it uncompressed."""

    entries: int = 2_000_000
    size_bytes: int = 32 << 30
    path_bytes: int = 4096


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """What a scan found."""

    entries: int
    size_bytes: int


def scan_layer(
    path: Path, *, media_type: str, diff_id: Digest, limits: ScanLimits | None = None
) -> LayerSummary:
    """Read a layer blob to its end; raises ImageError at the first thing that is not right."""
    limits = limits or ScanLimits()
    kind = OCI_EQUIVALENT.get(media_type, media_type)
    if kind not in (OCI_LAYER_TAR, OCI_LAYER_GZIP):
        raise ImageError(f"{path.name[:12]}: layers of type {media_type} are not supported")
    with path.open("rb") as file, _uncompressed(file, kind) as content:
        stream = HashingReader(content, limits.size_bytes)
        try:
            entries = _scan_entries(stream, limits)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
            raise ImageError(f"the layer {path.name[:12]} is damaged: {error}") from error
    if stream.digest() != diff_id:
        raise ImageError(
            f"the layer {path.name[:12]} does not hold what the image says: "
            f"expected {diff_id}, found {stream.digest()}"
        )
    return LayerSummary(entries=entries, size_bytes=stream.size_bytes)


def check_name(name: str) -> None:
    """Refuse an entry whose name could act outside of the root it is unpacked into."""
    # umoci tidies the name before it looks at the last part: `a/./b/.` is `a/b`.
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ImageError(f"a layer has an entry with `..` in its name: {name[:200]!r}")
    base = parts[-1] if parts else ""
    if base.startswith(WHITEOUT_PREFIX) and base != OPAQUE_WHITEOUT:
        hidden = base.removeprefix(WHITEOUT_PREFIX)
        if hidden in ("", ".", ".."):
            raise ImageError(f"a layer has a whiteout of nothing or of a parent: {name[:200]!r}")


def _uncompressed(file: IO[bytes], kind: str) -> IO[bytes]:
    return file if kind == OCI_LAYER_TAR else cast(IO[bytes], gzip.GzipFile(fileobj=file))


def _scan_entries(stream: "HashingReader", limits: ScanLimits) -> int:
    entries = 0
    headers = TarHeaders(cast(IO[bytes], stream))
    for member in headers:
        entries += 1
        if entries > limits.entries:
            raise ImageError(f"a layer has more than {limits.entries} entries")
        if len(member.name.encode(errors="surrogateescape")) > limits.path_bytes:
            raise ImageError(f"entry {entries} of a layer has a name that is too long")
        check_name(member.name)
        if member.islnk():
            check_name(member.linkname)
    stream.drain()
    if stream.last_content > headers.end:
        raise ImageError("a layer has data after its end")
    return entries
