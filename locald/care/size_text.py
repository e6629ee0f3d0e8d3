"""Sizes and lengths of time as people give them to commands that clean up."""

import re

from oci.errors import UsageError

_SIZE = re.compile(
    r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,3})?)\s*(?P<unit>[kmgt]?i?b?)", re.IGNORECASE
)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AGE = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(text: str, *, flag: str) -> int:
    """Bytes: `500MB`, `10G`, `1.5GiB`; a bare number is bytes. Raises UsageError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{flag}: not a size: {text[:40]!r}", hint="write it like 500MB, 10GB or 2GiB"
        )
    unit = found["unit"].lower().removesuffix("b")
    base = 1024 if unit.endswith("i") else 1000
    power = _POWERS.get(unit.removesuffix("i"))
    if power is None or unit == "i":
        raise UsageError(
            f"{flag}: not a size: {text[:40]!r}", hint="write it like 500MB, 10GB or 2GiB"
        )
    return int(float(found["number"]) * base**power)


def parse_age(text: str, *, flag: str) -> float:
    """Seconds: `30d`, `12h`, `2w`. Raises UsageError."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{flag}: not an age: {text[:40]!r}", hint="write it like 30d, 12h or 2w")
    return float(int(found["number"]) * _SECONDS[found["unit"]])
