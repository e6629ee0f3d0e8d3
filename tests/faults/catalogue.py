"""All rows, in the order of the table."""

from tests.faults.row import Row
from tests.faults.rows import kills, registry, together, torn

ROWS: tuple[Row, ...] = (*kills.ROWS, *torn.ROWS, *registry.ROWS, *together.ROWS)
