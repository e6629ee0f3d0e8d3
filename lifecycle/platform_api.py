"""Platform API versions: which one we and a lifecycle speak, and what each flag needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from oci.errors import ImageError

_FORM = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True, order=True)
class PlatformApi:
    """A version of the CNB platform specification."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `0.12`."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ImageError(f"not a Platform API version: {text[:40]!r}")
        return cls(int(found[1]), int(found[2] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


# 0.12 is the first with layouts for every phase that we need and with run.toml.
OURS = tuple(PlatformApi(0, minor) for minor in (12, 13, 14, 15))

# The first version that knows a flag; flags that 0.12 has already are not listed.
SINCE = {
    "generated/ID": PlatformApi(0, 13),
    "restorer -run": PlatformApi(0, 14),
    "detector -system": PlatformApi(0, 15),
    "CNB_EXEC_ENV": PlatformApi(0, 15),
}


def negotiate(offered: Iterable[str], *, origin: str) -> PlatformApi:
    """The highest version that both sides speak; `origin` names the builder for the error."""
    try:
        theirs = {PlatformApi.parse(text) for text in offered}
    except ImageError as error:
        raise ImageError(f"{origin}: its lifecycle's API is {error.message}") from error
    common = theirs.intersection(OURS)
    if not common:
        raise ImageError(
            f"{origin}: its lifecycle speaks none of our Platform APIs "
            f"({OURS[0]} to {OURS[-1]}), only {', '.join(map(str, sorted(theirs))) or 'none'}",
            hint="use a newer builder",
        )
    return max(common)
