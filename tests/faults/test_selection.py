"""The short selection: one case of each row that takes a few seconds, with `make test`.

`make faults` runs all of them: see docs/reliability.md.
"""

from collections.abc import Iterator

import pytest

from tests.faults.catalogue import ROWS
from tests.faults.laboratory import Laboratory
from tests.faults.row import Row

# Each needs more than one case to mean anything, or more than a few seconds.
_LONG = frozenset(
    {
        "deleted", "disk-steps", "kill-extend", "kill-steps", "moved-tag", "registry-fetch",
        "registry-stall", "soak", "together",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with Laboratory.open(tmp_path_factory.mktemp("faults") / "laboratory") as made:
        yield made


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.key not in _LONG], ids=lambda row: row.key
)
def test_it_holds(laboratory: Laboratory, row: Row) -> None:
    case = row.cases(laboratory, True)[-1]
    case.hold(laboratory)


def test_every_row_has_a_key_of_its_own() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
