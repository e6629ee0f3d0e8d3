"""When images are looked up in their registry again."""

from enum import StrEnum


class PullPolicy(StrEnum):
    """For the builder and the run image alike."""

    ALWAYS = "always"
    IF_NOT_PRESENT = "if-not-present"
    NEVER = "never"
