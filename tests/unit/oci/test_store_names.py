"""The files that say what names mean."""

from pathlib import Path

from oci.platform import Platform
from oci.reference import Reference
from oci.store_names import RefRecord, StoreNames

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
