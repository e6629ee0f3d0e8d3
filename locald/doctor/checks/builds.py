"""Does a build work, and with which container runtimes?"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from lifecycle.runtime.select import make_runtime
from lifecycle.runtime.spec import Network, RuntimeName
from locald.doctor.check import Check
from locald.doctor.finding import Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.trial import Outcome, Step
from oci.errors import HostError
from oci.process import find_tool

_HERE = {
    RuntimeName.RUNC: "the fastest",
    RuntimeName.PODMAN: "slower, as isolated as runc",
    RuntimeName.BUBBLEWRAP: "in containers, and without subordinate ids",
}


def build(host: Host) -> Finding:
    """The trial: what a build does, with a tiny image."""
    outcome = host.outcome
    if outcome.works:
        tried = host.trial is not None and host.trial.runs_a_program
        how = f"a tiny image was unpacked and run in {outcome.seconds:.1f} s"
        if not tried:
            return note(f"{outcome.reason}; no program to try it with on this machine")
        return fine(f"{how}: {outcome.reason}")
    (step, error), *others = outcome.errors.items()
    remedy = None
    if step is Step.NETWORK:
        remedy = Remedy(text="builds with --network none or --network host work")
    elif not error.hint:
        remedy = Remedy(text="the checks below tell more")
    found = host.told(Level.FAIL, error, remedy)
    return replace(found, details=(*found.details, *(other.message for _, other in others)))


def runtime_checks() -> Iterator[Check]:
    """One for each runtime, best first."""
    for name in RuntimeName:
        yield Check(name=str(name), title=f"{name}: {_HERE[name]}", probe=_attempt(name))


def _attempt(name: RuntimeName) -> Callable[[Host], Finding]:
    def probe(host: Host) -> Finding:
        chosen = host.outcome.runtime
        needed = chosen is name or host.runtime is name
        # Without any that works each of them could be the remedy.
        otherwise = Level.FAIL if chosen is None else Level.NOTE
        if name is RuntimeName.RUNC and chosen is not None:
            otherwise = Level.WARN
        level = Level.FAIL if needed else otherwise
        if find_tool(name) is None:
            return Finding(
                level=level,
                symptom=f"{name} is not installed, or not on PATH",
                remedy=Remedy(tools=(name,)),
            )
        if host.root_refused is not None:
            return note("not tried as root")
        try:
            if name is not RuntimeName.BUBBLEWRAP:
                host.subordinate_ids.require(name)
        except HostError as lacking:
            # What to do is told once, with the ids.
            return host.told(level, lacking, Remedy(text="see subordinate-ids"))
        if chosen is not name and host.runtime is name:
            # A build was to take it, and could not even begin with it.
            return host.told(level, host.outcome.errors[Step.RUNTIME])
        outcome = host.outcome if chosen is name else _alone(name, host)
        for step, error in outcome.errors.items():
            match step:
                case Step.RUNTIME | Step.CONTAINER:
                    return host.told(level, error)
                case Step.PLACE | Step.IMAGE:
                    return note("not tried, because there is no image to try it with")
                case Step.UNPACK:
                    if step in host.outcome.errors:  # no matter of this runtime
                        return note(f"not tried, because {error.message}")
                    return host.told(level, error)
                case Step.NETWORK:  # no matter of the runtime
                    continue
                case _:
                    assert_never(step)
        if chosen is name:
            return fine("the one that builds take")
        return fine(f"works, {outcome.seconds:.1f} s")

    return probe


def _alone(name: RuntimeName, host: Host) -> Outcome:
    if host.trial is None or Step.IMAGE in host.outcome.errors:
        lacking = {Step.PLACE, Step.IMAGE}
        errors = {step: e for step, e in host.outcome.errors.items() if step in lacking}
        return Outcome(errors=errors)
    try:
        return host.trial.attempt(make_runtime(name, host.runner), (Network.NONE,))
    finally:
        shutil.rmtree(host.trial.place / f"with-{name}", ignore_errors=True)


def working_alternatives(levels: dict[str, Level]) -> tuple[RuntimeName, ...]:
    """Those of the runtimes that were found to work; levels: of the checks, by their names."""
    return tuple(name for name in RuntimeName if levels.get(name) is Level.OK)
