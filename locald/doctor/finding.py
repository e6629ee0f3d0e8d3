"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum

# What Python raises where a limit of this user is reached: files, threads, memory.
EXHAUSTED = (OSError, RuntimeError, MemoryError)


class Level(StrEnum):
    """OK. NOTE: worth knowing. WARN: builds work, but not as well, or not every one. FAIL: no build
    works until it is remedied."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What to do.

    text: in words; may be empty when the commands say it.
    tools: programs to install; the command depends on the distribution.
    commands: to paste, in this order.
    """

    text: str = ""
    tools: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


NOTHING_TO_DO = Remedy()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """symptom: what was seen, one line. details: the words of the tool that failed."""

    level: Level
    symptom: str
    details: tuple[str, ...] = ()
    remedy: Remedy = NOTHING_TO_DO


def fine(symptom: str) -> Finding:
    """Nothing to remedy."""
    return Finding(level=Level.OK, symptom=symptom)


def note(symptom: str, *, remedy: Remedy = NOTHING_TO_DO) -> Finding:
    """Nothing that has to be remedied."""
    return Finding(level=Level.NOTE, symptom=symptom, remedy=remedy)
