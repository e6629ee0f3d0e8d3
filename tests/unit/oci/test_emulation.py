from pathlib import Path

import pytest

from oci.emulation import require_runnable
from oci.errors import HostError
from oci.platform import Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


def test_the_hosts_own_programs_run(tmp_path: Path) -> None:
    require_runnable(Platform("linux", "amd64", "v3"), host=AMD64, registered=tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n",
        "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OC\n",
    ],
)
def test_others_do_not_without_an_emulator_that_works_in_containers(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "qemu-aarch64").write_text(text)
    with pytest.raises(HostError) as caught:
        require_runnable(ARM64, host=AMD64, registered=tmp_path)
    assert caught.value.message == (
        "--platform: this host is linux/amd64 and cannot run linux/arm64/v8"
    )


def test_others_do_with_one(tmp_path: Path) -> None:
    (tmp_path / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/q\nflags: POCF\n")
    require_runnable(ARM64, host=AMD64, registered=tmp_path)
