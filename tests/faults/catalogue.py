"""All rows, in the order of the table."""

from tests.faults.row import Row
from tests.faults.rows import (
    children,
    disk,
    habits,
    kills,
    moved,
    registry,
    signals,
    together,
    torn,
)

ROWS: tuple[Row, ...] = (
    *kills.ROWS,
    *signals.ROWS,
    *children.ROWS,
    *disk.ROWS,
    *torn.ROWS,
    *together.ROWS,
    *moved.ROWS,
    *registry.ROWS,
    *habits.ROWS,
)
