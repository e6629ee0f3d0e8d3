"""When an image says that it was made."""

from enum import StrEnum

from lifecycle.image_time import VARIABLE, parse_seconds
from locald.config.project_files import blamed_on
from locald.config.resolution import Resolution


class Moment(StrEnum):
    """Times that only the build knows. NOW: when it runs. GIT: of the source's last commit."""

    NOW = "now"
    GIT = "git"


CreationTime = int | Moment
"""Seconds since 1970, or what decides them."""


def resolve_creation_time(resolution: Resolution) -> CreationTime | None:
    """--creation-time > locald.toml > SOURCE_DATE_EPOCH; None leaves it to the lifecycle, whose
    constant makes equal images of equal input."""
    for value, origin in (
        (resolution.flags.creation_time, "--creation-time"),
        (resolution.build.creation_time, resolution.key("creation_time")),
        (resolution.environ.get(VARIABLE) or None, VARIABLE),
    ):
        if value is None:
            continue
        resolution.origins["creation_time"] = origin
        if origin != VARIABLE and value in tuple(Moment):
            return Moment(str(value))
        words = "" if origin == VARIABLE else ", `now` or `git`"
        hint = f"write seconds since 1970{words}"
        with blamed_on(origin):
            return parse_seconds(str(value), hint=hint)
    return None
