"""What a publication moved, in a few words."""

from collections.abc import Sequence

from oci.moved import Moved

_MEGABYTE = 1_000_000


def moved_text(moved: Sequence[Moved]) -> str:
    """`pushed 1.2 of 320 MB`: of all repositories together."""
    total, sent = sum(m.total for m in moved), sum(m.sent for m in moved)
    copied = sum(m.copied for m in moved)
    text = f"pushed {_megabytes(sent)} of {_megabytes(total)} MB"
    return text + (f", copied {_megabytes(copied)} MB between registries" if copied else "")


def _megabytes(size_bytes: int) -> str:
    megabytes = size_bytes / _MEGABYTE
    return f"{megabytes:.0f}" if megabytes >= 100 else f"{megabytes:.1f}"
