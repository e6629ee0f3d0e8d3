"""A host name for containers: tried only where a filter of system calls may forbid it."""

from pathlib import Path

import pytest

from lifecycle.runtime.hostname import may_name_containers
from oci.process import Command, CommandResult


def answer(exit_code: int) -> CommandResult:
    return CommandResult(
        command=Command(argv=("unshare",)),
        exit_code=exit_code,
        stdout=b"",
        stderr_tail=(),
        seconds=0.0,
    )


@pytest.mark.parametrize("text", ["Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n", "Name:\tx\n"])
def test_nothing_is_tried_without_a_filter(tmp_path: Path, text: str) -> None:
    (tmp_path / "status").write_text(text)

    def run(argv: tuple[str, ...]) -> CommandResult:
        pytest.fail(f"ran {argv}")

    assert may_name_containers(run, status=tmp_path / "status")


@pytest.mark.parametrize(("exit_code", "allowed"), [(0, True), (1, False)])
def test_below_a_filter_the_trial_decides(tmp_path: Path, exit_code: int, allowed: bool) -> None:
    (tmp_path / "status").write_text("Seccomp:\t2\nSeccomp_filters:\t1\n")
    assert may_name_containers(lambda _: answer(exit_code), status=tmp_path / "status") is allowed
