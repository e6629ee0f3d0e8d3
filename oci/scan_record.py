"""That an image of the store has been looked through, and what was found.

Blobs are named by what they hold, so once is enough: the record lies beside the image's index.json
and ends with the image. A file that was damaged since is found by umoci, which computes every
digest again.
"""

from pathlib import Path

import msgspec

from oci.errors import ImageError
from oci.image_scan import ImageSummary
from oci.layout import Layout
from oci.plain_file import read_plain_file

NAME = "scanned.json"
# Counted up when a rule is added: what older rules let pass is looked through again.
_RULES = 1
_MAX_BYTES = 1 << 16


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    rules: int
    found: ImageSummary


def read_scan(layout: Layout) -> ImageSummary | None:
    """What the scan of this image found; None when it is still to be made."""
    try:
        data = read_plain_file(layout.path, NAME, max_bytes=_MAX_BYTES)
        record = msgspec.json.decode(data, type=_Record)
    except (OSError, ImageError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return record.found if record.rules == _RULES else None


def write_scan(layout: Layout, found: ImageSummary, *, staging: Path) -> None:
    """Remember it, whole or not at all. staging: a folder of this process's own on the same file
    system, which goes when it is killed."""
    staged = staging / NAME
    staged.write_bytes(msgspec.json.encode(_Record(rules=_RULES, found=found)))
    staged.replace(layout.path / NAME)
