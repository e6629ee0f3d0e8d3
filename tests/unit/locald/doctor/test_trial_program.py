import errno
import os
from pathlib import Path

import pytest

from locald.doctor.trial_program import trial_program
from oci.platform import Platform
from oci.process import Command, CommandRunner


def test_the_program_runs_on_this_machine_and_tells_what_stopped_it(tmp_path: Path) -> None:
    program = trial_program(Platform.of_host().architecture)
    if program is None:
        pytest.skip(f"no program for {Platform.of_host()}")
    path = tmp_path / "trial"
    path.write_bytes(program)
    path.chmod(0o755)
    # Outside of a container there is no /workspace for it, or none that it may write.
    result = CommandRunner().run(Command(argv=(str(path),)), check=False)
    assert result.exit_code in (errno.ENOENT, errno.EACCES), os.strerror(result.exit_code)
    assert result.stdout == b""


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_program_is_an_executable_of_one_segment(architecture: str) -> None:
    program = trial_program(architecture)
    assert program is not None
    assert program.startswith(b"\x7fELF\x02\x01\x01")
    # p_filesz and p_memsz
    assert int.from_bytes(program[96:104], "little") == len(program)
    assert int.from_bytes(program[104:112], "little") == len(program)
    assert b"ok\n/workspace/ok\0" in program


def test_there_is_none_for_other_machines() -> None:
    assert trial_program("s390x") is None
