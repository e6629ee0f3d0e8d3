"""When images were made: a constant, so that the same input gives the same digest."""

import os
from datetime import UTC, datetime

from oci.errors import UsageError
from oci.layer_writer import CONSTANT_TIME

VARIABLE = "SOURCE_DATE_EPOCH"


def creation_time() -> int:
    """SOURCE_DATE_EPOCH (reproducible-builds.org) if set, else 1980-01-01T00:00:01Z."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return CONSTANT_TIME
    try:
        return parse_seconds(text)
    except UsageError as error:
        raise UsageError(f"{VARIABLE}: {error.message}") from error


def parse_seconds(text: str, *, hint: str = "") -> int:
    """Seconds since 1970, none of them before. Raises UsageError."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 11:
        raise UsageError(f"not a number of seconds since 1970: {text[:50]!r}", hint=hint)
    return int(text)


def rfc3339(seconds: int) -> str:
    """As image configurations write it."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
