"""Registries that fail at the k-th request, for every k; that stall; whose login ends meanwhile."""

from collections.abc import Mapping
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row
from tests.faults.rows.registry_case import (
    case_of,
    check_after,
    check_published,
    count_requests,
    publishing,
)
from tests.support.registry import write_auth_file
from tests.support.registry_faults import Fault, serve_faults

_ONCE: Mapping[str, Mapping[str, Any]] = {
    "503": {"status": 503},
    "connection reset": {"reset": True},
    "half a body": {"truncate": True},
    "a wrong bit": {"flip": True},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "401": {"status": 401, "headers": {"WWW-Authenticate": 'Basic realm="a test"'}},
}
_FROM_THEN_ON: Mapping[str, Mapping[str, Any]] = {
    "403": {"status": 403},
    "404": {"status": 404},
}
_TOKEN_USES = (1, 2, 3, 4, 6, 8, 11, 15)


def _fetches(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    asked = count_requests(laboratory, laboratory.cold, publish=False)
    found = _each(laboratory.cold, asked, "fetch", publish=False)
    return tuple(found[:: max(1, len(found) // 4)][:4]) if quick else found


def _pushes(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    asked = count_requests(laboratory, laboratory.warm, publish=True)
    found = _each(laboratory.warm, asked, "push", publish=True)
    return tuple(found[:: max(1, len(found) // 4)][:4]) if quick else found


def _each(template: Place, asked: tuple[str, ...], what: str, *, publish: bool) -> tuple[Case, ...]:
    kinds: list[tuple[str, Mapping[str, Any]]]
    kinds = [(name, {**how, "times": 1}) for name, how in _ONCE.items()]
    kinds += [(f"{name} from then on", how) for name, how in _FROM_THEN_ON.items()]
    return tuple(
        case_of(
            f"{what}: request {number} of {len(asked)}: {name}",
            template,
            {**how, "skip": number - 1},
            publish=publish,
        )
        for number in range(1, len(asked) + 1)
        for name, how in kinds
    )


def _logins(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    uses = _TOKEN_USES[2:3] if quick else _TOKEN_USES
    return tuple(Case(name=f"a token for {n} requests", hold=_expiring(n)) for n in uses)


def _expiring(uses: int) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with (
            laboratory.place(laboratory.warm) as here,
            serve_faults(laboratory.registry, token=True, token_uses=uses) as guarded,
        ):
            auth = write_auth_file(here.root / "auth.json", guarded.host)
            flags = publishing(guarded, here)
            flags += ("--authfile", str(auth), "--insecure-registry", guarded.host)
            result = here.build(*flags)
            here.check_told(result)
            check_published(laboratory, here, must=result.code == 0)
            here.check_nothing_runs()
            with serve_faults(laboratory.registry, token=True) as patient:
                again = publishing(patient, here)
                auth = write_auth_file(here.root / "auth.json", patient.host)
                again += ("--authfile", str(auth), "--insecure-registry", patient.host)
                here.check_as_good_as_new(*again)
            check_published(laboratory, here, must=True)

    return hold


def _stalls(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    of = {"blob": "GET .*/blobs/", "manifest": "GET .*/manifests/", "upload": "POST .*/uploads/"}
    # Noticed after more than a minute, as slow registries need it, and not by the stall's end.
    chosen = {} if quick else of
    return tuple(
        Case(name=f"the first {name} stalls", hold=_stalling(pattern))
        for name, pattern in chosen.items()
    )


def _stalling(pattern: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        publish = "POST" in pattern
        template = laboratory.warm if publish else laboratory.cold
        with laboratory.place(template) as here:
            flags = publishing(laboratory.front, here) if publish else ()
            fault = Fault(of=pattern, times=1, stall=True, stall_seconds=600)
            laboratory.front.add(fault)
            result = here.build(*flags)
            laboratory.front.faults.clear()
            check(fault.times == 0, "the request did not come")
            check_after(laboratory, here, result, flags)

    return hold


ROWS = (
    Row(
        key="registry-fetch",
        title="registry fails at the k-th request of a fetch",
        cases=_fetches,
        minutes=12,
    ),
    Row(
        key="registry-push",
        title="registry fails at the k-th request of a push",
        cases=_pushes,
        minutes=12,
    ),
    Row(key="registry-login", title="login ends in the middle of a push", cases=_logins),
    Row(
        key="registry-stall",
        title="registry says nothing for ten minutes",
        cases=_stalls,
        minutes=4,
    ),
)
