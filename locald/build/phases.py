"""Runs phases of the lifecycle, one after another, and tells of each."""

from lifecycle.errors import PhaseError
from lifecycle.execution import Execution
from lifecycle.phase import Phase
from lifecycle.runtime.spec import Sandbox
from locald.build.ledger import Ledger
from locald.build.observer import BuildObserver

# Between the two, image extensions may change what the others run in and build on.
TO_DETECTION = (Phase.ANALYZE, Phase.DETECT)
TO_BUILD = (Phase.RESTORE, Phase.BUILD)
TO_EXPORT = (Phase.EXPORT,)


def run_phases(
    phases: tuple[Phase, ...],
    execution: Execution,
    sandbox: Sandbox,
    observer: BuildObserver,
    ledger: Ledger,
) -> None:
    """Run them in this order. Raises the first failure."""
    for phase in phases:
        ledger.phase_started(phase, execution.spec(phase))
        observer.phase_started(phase)
        try:
            outcome = execution.run(phase, sandbox, observer.phase_line)
        except PhaseError as error:
            ledger.explain(error.detection, layers=None)
            raise
        ledger.phase_finished(outcome)
        ledger.explain(outcome.detection, layers=execution.workspace.layers)
        observer.phase_finished(outcome)
        for note in outcome.notes:
            observer.note(note)
