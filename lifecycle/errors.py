"""The lifecycle's own failures, passed through with their exit codes."""

from collections.abc import Sequence

from lifecycle.detection import DetectionLog
from lifecycle.phase import Phase
from oci.errors import Error

# What a code means, by the lifecycle's platform/exit.go (0.21).
_MEANINGS = {
    1: "failed",
    3: "was given arguments that it does not know",
    11: "does not speak the Platform API that was agreed on",
    12: "found a buildpack whose Buildpack API this lifecycle does not speak",
    20: "no group of buildpacks passed detection",
    21: "no group of buildpacks passed detection, and at least one failed to run",
    22: "a buildpack's detection failed",
    32: "could not analyze the previous image",
    42: "could not restore the cached layers",
    51: "a buildpack failed to build",
    52: "the build failed",
    62: "could not export the image",
    91: "an extension failed to generate",
    92: "the generation of extensions failed",
    102: "a Dockerfile of an extension failed",
}

PASSED_THROUGH = frozenset({11, 12, *range(20, 103)})


class PhaseError(Error):
    """A phase ended with a code of its own; locald ends with the same code.

    detection: what the detect phase said, if it was that one.
    """

    def __init__(
        self,
        phase: Phase,
        phase_exit_code: int,
        *,
        details: Sequence[str] = (),
        subject: str = "",
        hint: str = "",
        detection: DetectionLog | None = None,
    ) -> None:
        meaning = _MEANINGS.get(phase_exit_code, "")
        if phase_exit_code > 128:
            meaning = f"was killed by signal {phase_exit_code - 128}" + (
                " (out of memory?)" if phase_exit_code == 137 else ""
            )
        message = f"{phase}: {meaning or 'failed'} (exit code {phase_exit_code})"
        if subject:
            message = f"{phase}: {subject} (exit code {phase_exit_code})"
        super().__init__(message, details=details, hint=hint)
        self.phase = phase
        self.phase_exit_code = phase_exit_code
        self.detection = detection

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The lifecycle's code where it has a meaning of its own; 5 for the rest."""
        return self.phase_exit_code if self.phase_exit_code in PASSED_THROUGH else 5
