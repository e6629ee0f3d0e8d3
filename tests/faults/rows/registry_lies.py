"""A registry that states lengths which are not those of its bodies, or none."""

from collections.abc import Mapping
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.row import Case, Row
from tests.faults.rows.registry_case import case_of, count_requests

_LIES: Mapping[str, Mapping[str, Any]] = {
    "states 10 bytes more than it sends": {"length": 10},
    "states a terabyte": {"length": 1 << 40},
    "states 10 bytes less than it sends": {"length": -10},
    "states what it sends, 10 bytes too little": {"short": 10},
    "states no length": {"chunked": True},
}


def _cases(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = []
    whats = (("push", True),) if quick else (("fetch", False), ("push", True))
    for what, publish in whats:
        template = laboratory.warm if publish else laboratory.cold
        asked = count_requests(laboratory, template, publish=publish)
        for number, request in enumerate(asked, start=1):
            # Other answers have no body whose length could be wrong.
            kinds = _LIES if request.startswith("GET") else dict(list(_LIES.items())[:1])
            found += [
                case_of(
                    f"{what}: request {number} of {len(asked)}, {request[:40]}: {name}",
                    template,
                    {**how, "skip": number - 1, "times": 1},
                    publish=publish,
                )
                for name, how in kinds.items()
            ]
    return tuple(found[:3]) if quick else tuple(found)


ROWS = (
    Row(
        key="registry-lies",
        title="registry lies about a length: at the k-th request",
        cases=_cases,
        minutes=5,
    ),
)
