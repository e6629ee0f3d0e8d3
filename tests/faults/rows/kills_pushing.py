"""SIGKILL while something is pushed: at the k-th request, before the registry has it or after."""

import os
import signal
from collections.abc import Callable
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row
from tests.faults.rows.registry_case import (
    check_published,
    check_whole,
    count_requests,
    manifest_of,
    publishing,
)
from tests.support.registry_faults import Fault

_KILLED = 128 + signal.SIGKILL
_MOMENTS = {"happens": "before the registry has it", "answered": "when the registry has done it"}


def _images(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    asked = count_requests(laboratory, laboratory.warm, publish=True)
    return _each(asked, _image, quick=quick)


def _caches(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    with laboratory.place(laboratory.warm) as here:
        flags = _with_older_cache(laboratory, here)
        before = len(laboratory.front.asked)
        result = here.build(*flags)
        check(result.code == 0, result.output)
        asked = tuple(map(str, laboratory.front.asked[before:]))
    return _each(asked, _cache, quick=quick)


def _each(
    asked: tuple[str, ...], hold: Callable[[int, str], Any], *, quick: bool
) -> tuple[Case, ...]:
    found = [
        Case(name=f"request {k} of {len(asked)}, {request[:40]}: {text}", hold=hold(k, moment))
        for k, request in enumerate(asked, start=1)
        for moment, text in _MOMENTS.items()
        # What is only read leaves the registry as it was.
        if moment == "happens" or not request.startswith(("GET", "HEAD"))
    ]
    return tuple(found[-2:]) if quick else tuple(found)


def _image(number: int, moment: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            flags = publishing(laboratory.front, here)
            _kill_at_request(laboratory, here, number, moment, flags)
            here.check_nothing_runs()
            here.check_visible()
            check_published(laboratory, here, must=False)
            here.check_as_good_as_new(*flags)
            check_published(laboratory, here, must=True)

    return hold


def _cache(number: int, moment: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            flags = _with_older_cache(laboratory, here)
            older = manifest_of(laboratory, _cache_name(here))
            _kill_at_request(laboratory, here, number, moment, flags)
            here.check_nothing_runs()
            here.check_visible()
            _check_cache(laboratory, here)
            here.check_as_good_as_new(*flags)
            newer = _check_cache(laboratory, here)
            check(newer != older, "the cache image is still the older one")
            # And another machine can begin with it.
            laboratory.namespace.remove_tree(here.cache)
            result = here.build(*flags)
            check("cache: used" in result.output, f"not used: {result.output}")

    return hold


def _with_older_cache(laboratory: Laboratory, here: Place) -> tuple[str, ...]:
    """The flags of a cache image that an earlier build has pushed; the next has another cache."""
    flags = ("--cache-image", f"{laboratory.front.host}/{_cache_name(here)}")
    # Layers that no other machine has pushed: skopeo remembers where else a layer is.
    seed = here.app / "seed"
    seed.write_text(f"older, {here.root.name}")
    result = here.build(*flags)
    check(result.code == 0, result.output)
    seed.write_text(f"newer, {here.root.name}")
    return flags


def _cache_name(here: Place) -> str:
    return f"{here.root.name}/cache:1"


def _check_cache(laboratory: Laboratory, here: Place) -> bytes:
    manifest = manifest_of(laboratory, _cache_name(here))
    check(manifest is not None, "the cache image is gone")
    assert manifest is not None
    check_whole(laboratory, manifest)
    return manifest


def _kill_at_request(
    laboratory: Laboratory, here: Place, number: int, moment: str, flags: tuple[str, ...]
) -> None:
    laboratory.front.asked.clear()
    killed = []

    def kill() -> None:
        killed.append(build.pid)
        os.kill(build.pid, signal.SIGKILL)

    fault = Fault(times=1, skip=number - 1)
    setattr(fault, moment, kill)
    laboratory.front.add(fault)
    with here.start(*flags) as build:
        code = build.finish(seconds=120).code
    laboratory.front.faults.clear()
    check(bool(killed), "the request did not come")
    check(code == _KILLED, f"exit code {code}, and not by the kill")


ROWS = (
    Row(
        key="kill-push",
        title="kill -9 at the k-th request of a push",
        cases=_images,
        minutes=3,
    ),
    Row(
        key="kill-cache-image",
        title="kill -9 at the k-th request of a build with a cache image",
        cases=_caches,
        minutes=3,
    ),
)
