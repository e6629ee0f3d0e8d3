"""What a publication moved, for people and reports."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What one repository got, in bytes of blobs and manifest.

    sent: from here. copied: from another registry, through here but not onto a disk. mounted:
    from another repository of the same registry, which moved nothing. present: was there.
    """

    repository: str
    sent: int = 0
    copied: int = 0
    mounted: int = 0
    present: int = 0

    @property
    def total(self) -> int:
        """The image's size."""
        return self.sent + self.copied + self.mounted + self.present
