"""Buildpacks out of project.toml."""

from dataclasses import replace
from pathlib import Path

from lifecycle.buildpack import Buildpack
from lifecycle.inline_buildpack import InlineBuildpack
from oci.platform import Platform
from oci.tree_digest import digest_tree

INLINE = InlineBuildpack(id="me/hello", api="0.10", script='echo "hi"\nexit 0')


def test_it_becomes_a_real_buildpack(tmp_path: Path) -> None:
    INLINE.write(tmp_path)
    made = Buildpack.read(tmp_path)
    assert (str(made), made.api) == ("me/hello@0.0.0", "0.10")
    made.check_platform(Platform("linux", "riscv64"), what="anything")
    assert (tmp_path / "bin/build").read_text() == '#!/bin/sh\n\necho "hi"\nexit 0\n'
    assert (tmp_path / "bin/detect").read_text() == "#!/bin/sh\nexit 0\n"


def test_detection_passes_whatever_the_script_is_written_in(tmp_path: Path) -> None:
    replace(INLINE, shell="/usr/bin/python3", script="print(1)").write(tmp_path)
    assert (tmp_path / "bin/build").read_text().startswith("#!/usr/bin/python3\n")
    assert (tmp_path / "bin/detect").read_text().startswith("#!/bin/sh\n")


def test_the_same_script_gives_the_same_files_and_another_one_another_key(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        INLINE.write(tmp_path / name)
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    others = [
        replace(INLINE, id="me/other"),
        replace(INLINE, version="1.0.0"),
        replace(INLINE, api="0.11"),
        replace(INLINE, shell="/bin/bash"),
        replace(INLINE, script="exit 1"),
    ]
    assert len({INLINE.digest, *(other.digest for other in others)}) == 6
