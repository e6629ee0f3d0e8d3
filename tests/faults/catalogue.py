"""All rows, in the order of the table."""

from tests.faults.row import Row
from tests.faults.rows import (
    children,
    disk,
    habits,
    kills,
    kills_extending,
    kills_pushing,
    moved,
    registry,
    registry_lies,
    signals,
    soak,
    together,
    torn,
)

ROWS: tuple[Row, ...] = (
    *kills.ROWS,
    *kills_extending.ROWS,
    *kills_pushing.ROWS,
    *signals.ROWS,
    *children.ROWS,
    *disk.ROWS,
    *torn.ROWS,
    *together.ROWS,
    *moved.ROWS,
    *registry.ROWS,
    *registry_lies.ROWS,
    *habits.ROWS,
    *soak.ROWS,
)
