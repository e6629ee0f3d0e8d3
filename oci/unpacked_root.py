"""What is known of an unpacked root filesystem: written last, so that its presence proves it.

rootfs/HEX-IDMAP/COMPLETE     this record
rootfs/HEX-IDMAP/rootfs/      the files, of subordinate ids
rootfs/HEX-IDMAP/*.mtree      umoci's list of them, with their digests
"""

from pathlib import Path

import msgspec

from oci.durable import boot_id, sync_file_system, sync_files
from oci.userns import UserNamespace

COMPLETE = "COMPLETE"


class UnpackedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """size_bytes: allocated by all files, those included that this user may not look at; 0 when
    nobody knows. boot: of the host, when it was unpacked."""

    size_bytes: int = 0
    boot: str = ""


def seal(bundle: Path, namespace: UserNamespace) -> None:
    """Write the record of a bundle whose files are on the disk by then, a power loss included."""
    counted = namespace.run("du", "--summarize", "--block-size=1", str(bundle)).text
    size = counted.split(maxsplit=1)[0]
    record = UnpackedRecord(size_bytes=int(size) if size.isdecimal() else 0, boot=boot_id())
    sync_file_system(bundle)
    (bundle / COMPLETE).write_bytes(msgspec.json.encode(record))
    sync_files((bundle / COMPLETE, bundle))


def read_record(bundle: Path) -> UnpackedRecord | None:
    """The record; None when the bundle is not whole. Empty is what earlier versions wrote."""
    try:
        data = (bundle / COMPLETE).read_bytes()
        return msgspec.json.decode(data, type=UnpackedRecord) if data else UnpackedRecord()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
