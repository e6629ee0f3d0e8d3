"""What a build tells while it runs. The pipeline speaks to this; `locald.cli.console` shows it."""

from typing import Protocol

from lifecycle.execution import PhaseLine, PhaseOutcome
from lifecycle.phase import Phase
from oci.process import Stream


class BuildObserver(Protocol):
    """Receives what happens, in order. Calls come from the thread that builds."""

    def step(self, text: str) -> None:
        """Something begins that may take a while: "Fetching the builder …"."""
        ...

    def note(self, text: str) -> None:
        """Worth knowing, needs no action."""
        ...

    def detail(self, text: str) -> None:
        """Shown with `-v` only: what was chosen, and why."""
        ...

    def phase_started(self, phase: Phase) -> None:
        """A phase's container is about to start."""
        ...

    def phase_line(self, line: PhaseLine) -> None:
        """A phase printed something."""
        ...

    def extension_line(self, stream: Stream, text: str) -> None:
        """A Dockerfile of an image extension printed something. Foreign text."""
        ...

    def phase_finished(self, outcome: PhaseOutcome) -> None:
        """A phase succeeded."""
        ...
