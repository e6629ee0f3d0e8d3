"""Lengths of time, as people write them: `90`, `90s`, `15m`, `1h30m`."""

import re

from oci.errors import UsageError

_FORM = re.compile(r"(?:(?P<h>[0-9]{1,5})h)?(?:(?P<m>[0-9]{1,5})m)?(?:(?P<s>[0-9]{1,7})s?)?")


def parse_duration(value: str | int) -> int:
    """Seconds, at least one; a bare number is seconds. Raises UsageError."""
    text = str(value).strip()
    found = _FORM.fullmatch(text)
    seconds = 0
    if found is not None:
        hours, minutes, rest = (int(found[unit] or 0) for unit in "hms")
        seconds = hours * 3600 + minutes * 60 + rest
    if seconds < 1:
        raise UsageError(
            f"not a length of time: {text[:40]!r}", hint="write seconds, or 90s, 15m, 1h30m"
        )
    return seconds
