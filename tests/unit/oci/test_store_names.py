"""The files that say what names mean."""

from collections.abc import Callable
from pathlib import Path

import pytest

from oci.platform import Platform
from oci.reference import Reference
from oci.store_names import UNREADABLE, NamedImage, RefRecord, StoreNames

PLATFORM = Platform("linux", "amd64")
NAME = Reference.parse("localhost/team/app:1")
RECORD = RefRecord(digest="sha256:" + "a" * 64, source="", source_digest="", fetched=0.0)


def test_what_a_killed_process_left_beside_a_name_goes_with_the_next_one(tmp_path: Path) -> None:
    names = StoreNames(tmp_path)
    path = names.path(NAME, PLATFORM)
    path.parent.mkdir(parents=True)
    (path.parent / "tmpa1b2c3d4.new").write_text("half")
    names.write(NAME, PLATFORM, RECORD)
    assert list(path.parent.iterdir()) == [path]
    assert names.read(NAME, PLATFORM) == RECORD


@pytest.mark.parametrize("text", ["localhost/app.json:1", "localhost/app:v1.json", "x.json/y:a"])
def test_repositories_and_tags_may_end_like_our_files(tmp_path: Path, text: str) -> None:
    names = StoreNames(tmp_path)
    name = Reference.parse(text)
    names.write(name, PLATFORM, RECORD)
    (found,) = names.all()
    assert (found.reference, found.record) == (name, RECORD)
    assert [path for _, path in names.texts()] == [found.path]
    names.remove((found,))
    assert names.all() == ()


def test_a_folder_in_the_place_of_a_record_is_damage_that_makes_way(tmp_path: Path) -> None:
    names = StoreNames(tmp_path)
    (names.path(NAME, PLATFORM) / "in the way").mkdir(parents=True)
    with pytest.raises(UNREADABLE):
        names.read(NAME, PLATFORM)
    (damaged,) = names.all()
    assert damaged.record is None
    names.write(NAME, PLATFORM, RECORD)
    assert names.read(NAME, PLATFORM) == RECORD


@pytest.mark.parametrize("remove", [StoreNames.remove, StoreNames.remove_unchanged])
def test_a_folder_in_the_place_of_a_record_can_be_forgotten(
    tmp_path: Path, remove: Callable[[StoreNames, tuple[NamedImage, ...]], None]
) -> None:
    names = StoreNames(tmp_path)
    (names.path(NAME, PLATFORM) / "in the way").mkdir(parents=True)
    remove(names, names.all())
    assert names.all() == ()
