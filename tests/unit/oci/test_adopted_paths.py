"""Files of other users in a source: the overlay gets copies that are ours."""

import os
from pathlib import Path, PurePosixPath

from oci.overlay import prepare_upper


def test_adopted_paths_are_copied_into_the_upper_folder_with_mode_and_time(tmp_path: Path) -> None:
    lower, changes = tmp_path / "lower", tmp_path / "changes"
    (lower / "src").mkdir(parents=True)
    changes.mkdir()
    source = lower / "src/main.rs"
    source.write_text("fn main() {}")
    source.chmod(0o640)
    os.utime(source, ns=(1_000_000_000, 2_000_000_000))
    (lower / "other").write_text("stays below")

    prepare_upper(lower, changes, (), (PurePosixPath("src"), PurePosixPath("src/main.rs")))

    copy = changes / "upper/src/main.rs"
    assert copy.read_text() == "fn main() {}"
    assert copy.stat().st_mode & 0o777 == 0o640
    assert copy.stat().st_mtime_ns == 2_000_000_000
    assert sorted(p.name for p in (changes / "upper").iterdir()) == ["src"]


def test_an_adopted_path_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    lower, changes, outside = tmp_path / "lower", tmp_path / "changes", tmp_path / "outside"
    for folder in (lower, changes, outside):
        folder.mkdir()
    (outside / "secret").write_text("x")
    (lower / "link").symlink_to(outside)

    prepare_upper(lower, changes, (), (PurePosixPath("link/secret"),))

    assert list((changes / "upper").iterdir()) == []
