"""Which cache another one starts from, and what it takes over."""

from pathlib import Path

import pytest

from lifecycle.cache_copy import copy_cache, matching_cache
from lifecycle.caches import BuildCache
from oci.errors import ImageError
from tests.support.build_caches import commit_layers, filled, layer_tar, locate, state_of


def wanted(tmp_path: Path, **changes: object) -> BuildCache:
    return locate(tmp_path / "ours", **changes)


def test_it_becomes_the_same_and_the_other_stays(tmp_path: Path) -> None:
    theirs, ours = filled(tmp_path / "theirs"), wanted(tmp_path)
    before = state_of(theirs)
    copy_cache(theirs, ours)
    assert state_of(ours) == state_of(theirs) == before
    (ours.build / "target/deep/data").write_text("changed")
    assert state_of(theirs) == before


def test_files_that_are_one_stay_one(tmp_path: Path) -> None:
    theirs, ours = filled(tmp_path / "theirs"), wanted(tmp_path)
    (theirs.build / "again").hardlink_to(theirs.build / "target/deep/data")
    copy_cache(theirs, ours)
    assert (ours.build / "again").stat().st_ino == (ours.build / "target/deep/data").stat().st_ino


def test_a_folder_that_nobody_may_write_to_can_be_read(tmp_path: Path) -> None:
    theirs, ours = filled(tmp_path / "theirs"), wanted(tmp_path)
    theirs.root.chmod(0o500)
    copy_cache(theirs, ours)
    theirs.root.chmod(0o700)
    assert state_of(ours) == state_of(theirs)


def test_links_are_copied_and_not_followed(tmp_path: Path) -> None:
    theirs, ours = filled(tmp_path / "theirs"), wanted(tmp_path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("do not tell")
    (theirs.build / "out").symlink_to(tmp_path / "secret")
    (theirs.lifecycle / "committed" / f"sha256:{'1' * 64}.tar").symlink_to(tmp_path / "secret/key")
    copy_cache(theirs, ours)
    assert (ours.build / "out").is_symlink()
    assert not (ours.lifecycle / "committed" / f"sha256:{'1' * 64}.tar").exists()


def test_a_damaged_layer_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    theirs, ours = filled(tmp_path / "theirs"), wanted(tmp_path)
    commit_layers(theirs, layer_tar({"x": b""}, root="/etc"))
    with pytest.raises(ImageError, match="outside of /layers"):
        copy_cache(theirs, ours)
    assert ours.empty


def test_the_cache_for_the_same_kind_of_build_is_chosen(tmp_path: Path) -> None:
    caches = tmp_path / "theirs"
    for changes in (
        {"exec_env": "test"}, {"service": "api"}, {"distro": "ubuntu 24.04"}, {"project": "a"},
    ):  # fmt: skip
        filled(caches, **changes)
    ours = wanted(tmp_path)
    found = matching_cache(caches, ours.identity)
    assert found is not None
    assert found.identity.project == "a"
    same = filled(caches, app_dir=None)
    found = matching_cache(caches, ours.identity)
    assert found is not None
    assert found.root == same.root
    assert matching_cache(caches, wanted(tmp_path, service="web").identity) is None


def test_the_folder_of_one_cache_can_be_named_itself(tmp_path: Path) -> None:
    theirs = filled(tmp_path / "theirs")
    found = matching_cache(theirs.root, wanted(tmp_path).identity)
    assert found is not None
    assert found.root == theirs.root


@pytest.mark.parametrize("place", ["nowhere", "file", "empty"])
def test_where_no_cache_is_none_is_found(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    assert matching_cache(tmp_path / place, wanted(tmp_path).identity) is None
