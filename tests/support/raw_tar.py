"""Archives made header by header, exactly as told: what `tarfile` would not write."""

import tarfile
from collections.abc import Mapping

from tests.support.images import tar_member

BLOCK_BYTES = 512


def header(
    name: str,
    kind: bytes = tarfile.REGTYPE,
    data: bytes = b"",
    *,
    link: str = "",
    size: int = -1,
    mode: int = 0o755,
    owner: int = 0,
    mtime: int = 1,
    gnu: bool = False,
) -> bytes:
    """One entry with its content, extension or not.

    size: when it is not that of the content. gnu: large and negative owners need its form.
    """
    member = tar_member(name, kind=kind, link=link, size=len(data) if size < 0 else size, mode=mode)
    member.uid = member.gid = owner
    member.mtime = mtime
    encoded = member.tobuf(
        tarfile.GNU_FORMAT if gnu else tarfile.USTAR_FORMAT, errors="surrogateescape"
    )
    return encoded + data + b"\0" * (-len(data) % BLOCK_BYTES)


def pax(records: Mapping[str, str | bytes]) -> bytes:
    """The content of an extended header."""
    lines = b""
    for key, value in records.items():
        data = value.encode() if isinstance(value, str) else value
        body = b" " + key.encode() + b"=" + data + b"\n"
        length = len(body)
        while len(str(length)) + len(body) != length:
            length = len(str(length)) + len(body)
        lines += str(length).encode() + body
    return lines


def extended(records: Mapping[str, str | bytes], kind: bytes = b"x") -> bytes:
    """An extended header, for the entry that follows (`g`: for all that follow)."""
    return header("pax", kind, pax(records))


def archive(*parts: bytes) -> bytes:
    """The parts, and the mark that ends an archive."""
    return b"".join(parts) + b"\0" * (2 * BLOCK_BYTES)


def with_checksum(block: bytes) -> bytes:
    """A header that was edited, with the checksum that it needs."""
    blank = block[:148] + b" " * 8 + block[156:BLOCK_BYTES]
    return blank[:148] + b"%06o\0 " % sum(blank) + block[156:]
