"""A row of the table: one kind of fault, and its cases."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.laboratory import Laboratory


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault. `hold` raises when something does not hold after it."""

    name: str
    hold: Callable[[Laboratory], None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """key: for `--only`. title: for people. cases: all, or only the quick ones; the laboratory
    tells how many steps a build has.

    minutes: about what all of them take; the longest rows are begun first. alone: its cases need
    the machine for themselves.
    """

    key: str
    title: str
    cases: Callable[[Laboratory, bool], tuple[Case, ...]]
    minutes: float = 1.0
    alone: bool = False
