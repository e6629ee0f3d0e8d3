"""Where a build takes an image from."""

from typing import TypeAlias

from oci.location import ImageLocation
from oci.reference import Reference

ImageSource: TypeAlias = Reference | ImageLocation
"""A bare reference (`heroku/builder:24`) or a location with its transport (`oci:./builder`)."""
