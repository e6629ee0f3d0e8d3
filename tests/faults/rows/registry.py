"""Registries that fail at the k-th request, for every k; that stall; whose login ends meanwhile."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oci.reference import Reference
from oci.registry_clients import RegistryClients
from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row
from tests.support.cli import Finished
from tests.support.publishing import layers_of
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
    return _each(laboratory, laboratory.cold, "fetch", publish=False, quick=quick)


def _pushes(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    return _each(laboratory, laboratory.warm, "push", publish=True, quick=quick)


def _each(
    laboratory: Laboratory, template: Place, what: str, *, publish: bool, quick: bool
) -> tuple[Case, ...]:
    flags = _publishing(laboratory, f"count-{what}") if publish else ()
    with laboratory.place(template) as here:
        result = here.build(*flags)
        check(result.code == 0, result.output)
        count = len(laboratory.front.asked)
    kinds: list[tuple[str, Mapping[str, Any]]]
    kinds = [(name, {**how, "times": 1}) for name, how in _ONCE.items()]
    kinds += [(f"{name} from then on", how) for name, how in _FROM_THEN_ON.items()]
    cases = [
        _case(f"{what}: request {k} of {count}: {name}", template, publish, {**how, "skip": k - 1})
        for k in range(1, count + 1)
        for name, how in kinds
    ]
    return tuple(cases[:: max(1, len(cases) // 4)][:4]) if quick else tuple(cases)


def _case(name: str, template: Place, publish: bool, fault: Mapping[str, Any]) -> Case:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(template) as here:
            flags = _publishing(laboratory, here.root.name) if publish else ()
            laboratory.front.add(Fault(**fault))
            result = here.build(*flags)
            laboratory.front.faults.clear()
            _after(laboratory, here, result, flags)

    return Case(name=name, hold=hold)


def _after(laboratory: Laboratory, here: Place, result: Finished, flags: tuple[str, ...]) -> None:
    here.check_told(result)
    expected = laboratory.warm.digest
    check(result.code != 0 or result.digest == expected, "another image")
    if result.code:
        check("hint" in result.stderr.lower() or "http" in result.stderr.lower(), result.stderr)
    here.check_nothing_runs()
    here.check_visible()
    if flags:
        _check_published(laboratory, here.root.name, must=result.code == 0)
    replace(here, digest=expected).check_as_good_as_new(*flags)
    if flags:
        _check_published(laboratory, here.root.name, must=True)


def _publishing(laboratory: Laboratory, tag: str, host: str = "") -> tuple[str, ...]:
    return ("--tag", f"{host or laboratory.front.host}/team/app:{tag}", "--publish")


def _check_published(laboratory: Laboratory, tag: str, *, must: bool) -> None:
    """The tag is there with all that belongs to it, or not at all."""
    registry = laboratory.registry
    name: Reference = registry.reference(f"team/app:{tag}")
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(name)
    if found is None:
        check(not must, "the tag is not in the registry")
        return
    check(str(found.digest) == laboratory.warm.digest, "the tag means another image")
    blobs = registry.data / "docker/registry/v2/blobs/sha256"
    for digest in layers_of(registry, f"team/app:{tag}"):
        hexadecimal = digest.removeprefix("sha256:")
        check((blobs / hexadecimal[:2] / hexadecimal / "data").is_file(), f"{digest} is missing")


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
            flags = _publishing(laboratory, here.root.name, guarded.host)
            flags += ("--authfile", str(auth), "--insecure-registry", guarded.host)
            result = here.build(*flags)
            here.check_told(result)
            _check_published(laboratory, here.root.name, must=result.code == 0)
            here.check_nothing_runs()
            with serve_faults(laboratory.registry, token=True) as patient:
                again = _publishing(laboratory, here.root.name, patient.host)
                auth = write_auth_file(here.root / "auth.json", patient.host)
                again += ("--authfile", str(auth), "--insecure-registry", patient.host)
                here.check_as_good_as_new(*again)
            _check_published(laboratory, here.root.name, must=True)

    return hold


def _stalls(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    of = {"blob": "GET .*/blobs/", "manifest": "GET .*/manifests/", "upload": "POST .*/uploads/"}
    # A stall is noticed after more than a minute, as slow registries need it.
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
            flags = _publishing(laboratory, here.root.name) if publish else ()
            laboratory.front.add(Fault(of=pattern, times=1, stall=True))
            result = here.build(*flags)
            laboratory.front.faults.clear()
            _after(laboratory, here, result, flags)

    return hold


ROWS = (
    Row(
        key="registry-fetch", title="registry fails at the k-th request of a fetch", cases=_fetches
    ),
    Row(key="registry-push", title="registry fails at the k-th request of a push", cases=_pushes),
    Row(key="registry-login", title="login ends in the middle of a push", cases=_logins),
    Row(key="registry-stall", title="registry says nothing for half a minute", cases=_stalls),
)
