import os
import stat
from pathlib import Path, PurePosixPath

import pytest

from oci.overlay import prepare_upper


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    folder = tmp_path / "lower"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/hidden").touch()
    (folder / "a").chmod(0o750)
    os.utime(folder / "a", (1_000_000_000, 1_000_000_000))
    return folder


def hide(lower: Path, tmp_path: Path, *hidden: str) -> Path:
    changes = tmp_path / "changes"
    changes.mkdir()
    prepare_upper(lower, changes, [PurePosixPath(path) for path in hidden])
    return changes / "upper"


def test_a_hidden_path_is_a_whiteout_below_parents_like_the_lowers(
    lower: Path, tmp_path: Path
) -> None:
    upper = hide(lower, tmp_path, "a/b/hidden")
    status = (upper / "a/b/hidden").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert stat.S_IMODE((upper / "a").stat().st_mode) == 0o750
    assert (upper / "a").stat().st_mtime == 1_000_000_000


def test_what_the_lower_does_not_have_makes_nothing(lower: Path, tmp_path: Path) -> None:
    (lower / "link").symlink_to("a")
    upper = hide(lower, tmp_path, "absent/below", "link/b", "a/b/hidden/below-a-file")
    assert list(upper.iterdir()) == []


def test_what_lies_below_a_hidden_folder_is_hidden_with_it(lower: Path, tmp_path: Path) -> None:
    upper = hide(lower, tmp_path, "a/b/hidden", "a/b")
    assert [path.relative_to(upper).as_posix() for path in sorted(upper.rglob("*"))] == ["a", "a/b"]


@pytest.mark.parametrize("path", ["/etc", "../out", "a/../../out", "."])
def test_a_path_that_leads_out_is_refused(lower: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        hide(lower, tmp_path, path)


def test_many_hidden_files_share_one_inode(lower: Path, tmp_path: Path) -> None:
    names = [f"a/{number}" for number in range(20)]
    for name in names:
        (lower / name).touch()
    upper = hide(lower, tmp_path, *names)
    status = [(upper / name).lstat() for name in names]
    assert {stat.S_ISCHR(s.st_mode) and s.st_rdev == 0 for s in status} == {True}
    assert len({s.st_ino for s in status}) == 1
