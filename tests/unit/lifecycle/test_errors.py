"""Failures of phases: their words, and the code that locald ends with."""

import pytest

from lifecycle.errors import PhaseError
from lifecycle.phase import Phase


@pytest.mark.parametrize("code", [11, 12, 20, 21, 32, 42, 51, 52, 62, 91, 100, 102])
def test_the_lifecycle_s_own_codes_are_passed_through(code: int) -> None:
    error = PhaseError(Phase.BUILD, code)
    assert (error.exit_code, error.phase_exit_code) == (code, code)


@pytest.mark.parametrize("code", [1, 2, 3, 10, 13, 19, 103, 125, 126, 127, 137, 143, 255])
def test_other_codes_are_the_runtime_s_business(code: int) -> None:
    error = PhaseError(Phase.BUILD, code)
    assert (error.exit_code, error.phase_exit_code) == (5, code)


@pytest.mark.parametrize(
    ("phase", "code", "message"),
    [
        (Phase.DETECT, 20, "detect: no group of buildpacks passed detection (exit code 20)"),
        (Phase.EXPORT, 62, "export: could not export the image (exit code 62)"),
        (Phase.BUILD, 77, "build: failed (exit code 77)"),
        (Phase.BUILD, 137, "build: was killed by signal 9 (out of memory?) (exit code 137)"),
        (Phase.RESTORE, 143, "restore: was killed by signal 15 (exit code 143)"),
    ],
)
def test_a_failure_is_told_with_phase_and_meaning(phase: Phase, code: int, message: str) -> None:
    assert PhaseError(phase, code).message == message


def test_a_subject_takes_the_meaning_s_place() -> None:
    error = PhaseError(
        Phase.BUILD, 51, subject="the buildpack a@1 failed", details=["why"], hint="do"
    )
    assert error.message == "build: the buildpack a@1 failed (exit code 51)"
    assert (error.details, error.hint) == (("why",), "do")
