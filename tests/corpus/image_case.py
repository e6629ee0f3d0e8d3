"""One hostile, broken or merely odd image, and what the store must do with it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from oci.location import ImageLocation


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a case is made. folder: an empty one. canary: a tree outside of every image, which the
    hostile try to read, change or delete."""

    folder: Path
    canary: Path


@dataclass(frozen=True, kw_only=True)
class ImageCase:
    """name: of the test. make: writes the image somewhere in the place.

    refused: what the message must say, a regular expression; empty for an image that is taken.
    holds: files of an image that is taken, once it is unpacked, with their content.
    """

    name: str
    make: Callable[[Place], ImageLocation]
    refused: str = ""
    holds: dict[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
