"""Lifecycles that are mounted over the builder's."""

import struct
from pathlib import Path

import pytest

from lifecycle.lifecycle_override import mountable_folder
from lifecycle.lifecycle_source import REQUIRED, Lifecycle, lifecycle_in_folder
from lifecycle.unpacked import UnpackedFolders
from oci.errors import ImageError
from oci.platform import Platform

AMD64 = Platform("linux", "amd64")
DESCRIPTOR = """
[lifecycle]
version = "0.20.1"
[apis.buildpack]
supported = ["0.10"]
[apis.platform]
supported = ["0.12"]
"""


def elf(machine: int, *, big_endian: bool = False) -> bytes:
    order = ">" if big_endian else "<"
    ident = b"\x7fELF\x02" + (b"\x02" if big_endian else b"\x01") + bytes(10)
    return ident + struct.pack(f"{order}HH", 2, machine)


def make(folder: Path, *names: str, content: bytes | None = None) -> Lifecycle:
    folder.mkdir()
    (folder / "lifecycle.toml").write_text(DESCRIPTOR)
    for name in names:
        (folder / name).write_bytes(elf(0x3E) if content is None else content)
        (folder / name).chmod(0o755)
    return lifecycle_in_folder(folder)


def mountable(lifecycle: Lifecycle, tmp_path: Path, platform: Platform = AMD64) -> Path:
    unpacked = UnpackedFolders(tmp_path / "unpacked")
    return mountable_folder(lifecycle, platform, unpacked=unpacked, origin="--lifecycle x")


def test_a_folder_with_all_programs_is_mounted_as_it_is(tmp_path: Path) -> None:
    lifecycle = make(tmp_path / "lifecycle", *REQUIRED, "lifecycle")
    for name in ("creator", "extender", "rebaser"):
        (tmp_path / "lifecycle" / name).symlink_to("lifecycle")
    lifecycle = lifecycle_in_folder(tmp_path / "lifecycle")
    assert mountable(lifecycle, tmp_path) == tmp_path / "lifecycle"


def test_one_program_gets_its_links_in_a_copy(tmp_path: Path) -> None:
    lifecycle = make(tmp_path / "lifecycle", "lifecycle", "launcher")
    (tmp_path / "lifecycle/launcher.sbom.cdx.json").write_text("{}")
    folder = mountable(lifecycle, tmp_path)
    assert (folder / "detector").readlink() == Path("lifecycle")
    assert (folder / "launcher.sbom.cdx.json").read_text() == "{}"
    assert (folder / "lifecycle").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "lifecycle/detector").exists()
    assert mountable(lifecycle, tmp_path) == folder
    (tmp_path / "lifecycle/launcher").write_bytes(elf(0x3E) + b"newer")
    assert mountable(lifecycle, tmp_path) != folder


def test_scripts_run_anywhere(tmp_path: Path) -> None:
    lifecycle = make(tmp_path / "lifecycle", *REQUIRED, content=b"#!/bin/sh\n")
    assert mountable(lifecycle, tmp_path, Platform("linux", "s390x")) == lifecycle.folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (elf(0xB7), "analyzer is made for arm64, not for linux/amd64"),
        (elf(0x16, big_endian=True), "analyzer is made for s390x, not for linux/amd64"),
        (elf(0x999), "analyzer is made for ELF machine 2457, not for linux/amd64"),
        (b"MZ" + bytes(40), "analyzer is no program for Linux"),
        (b"\x7fELF", "analyzer is no program for Linux"),
        (b"", "analyzer is no program for Linux"),
    ],
)
def test_programs_for_something_else_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    lifecycle = make(tmp_path / "lifecycle", *REQUIRED, content=content)
    with pytest.raises(ImageError) as caught:
        mountable(lifecycle, tmp_path)
    assert caught.value.message == f"--lifecycle x: {message}"


def test_programs_must_be_in_the_folder_and_executable(tmp_path: Path) -> None:
    lifecycle = make(tmp_path / "lifecycle", *REQUIRED)
    program = tmp_path / "lifecycle/builder"
    program.chmod(0o644)
    with pytest.raises(ImageError, match="builder may not be executed"):
        mountable(lifecycle, tmp_path)
    program.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o755)
    program.symlink_to("../elsewhere")
    with pytest.raises(ImageError, match="builder is a link out of the lifecycle's folder"):
        mountable(lifecycle, tmp_path)
