"""Runs phases of the lifecycle, one after another, and tells of each."""

from lifecycle.execution import Execution, PhaseOutcome
from lifecycle.phase import Phase
from lifecycle.runtime.spec import Sandbox
from locald.build.observer import BuildObserver

# Between the two, image extensions may change what the others run in and build on.
TO_DETECTION = (Phase.ANALYZE, Phase.DETECT)
AFTER_DETECTION = (Phase.RESTORE, Phase.BUILD, Phase.EXPORT)


def run_phases(
    phases: tuple[Phase, ...], execution: Execution, sandbox: Sandbox, observer: BuildObserver
) -> tuple[PhaseOutcome, ...]:
    """Run them in this order. Raises the first failure."""
    outcomes = []
    for phase in phases:
        observer.phase_started(phase)
        outcome = execution.run(phase, sandbox, observer.phase_line)
        observer.phase_finished(outcome)
        for note in outcome.notes:
            observer.note(note)
        outcomes.append(outcome)
    return tuple(outcomes)
