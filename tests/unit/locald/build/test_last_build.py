import shutil
from pathlib import Path, PurePosixPath

import pytest

from locald.build.last_build import (
    LastBuild,
    forget_last_build,
    last_sbom,
    place_state,
    read_last_build,
    why_not_the_same,
    write_last_build,
)
from oci.location import ImageLocation

RECORD = LastBuild(
    built=1_700_000_000.0,
    fingerprint={"the source": "1", "the flags": "2"},
    image="sha256:" + "0" * 64,
    buildpacks=("acme/node@1",),
    places={"oci:/out:1": "1-2-3"},
    lifecycle_report="[image]\n",
)
SBOM = {PurePosixPath("launch/acme/sbom.cdx.json"): b"{}"}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_last_build(tmp_path, RECORD, SBOM)
    assert read_last_build(tmp_path) == RECORD
    assert last_sbom(tmp_path) == SBOM
    write_last_build(tmp_path, RECORD, {})
    assert last_sbom(tmp_path) == {}


def test_a_forgotten_one_is_none(tmp_path: Path) -> None:
    forget_last_build(tmp_path)
    write_last_build(tmp_path, RECORD, SBOM)
    forget_last_build(tmp_path)
    assert read_last_build(tmp_path) is None


def test_folders_in_its_place_make_way(tmp_path: Path) -> None:
    write_last_build(tmp_path, RECORD, SBOM)
    (record,) = (path for path in tmp_path.iterdir() if path.is_file())
    record.unlink()
    (record / "in the way").mkdir(parents=True)
    assert read_last_build(tmp_path) is None
    write_last_build(tmp_path, RECORD, SBOM)
    assert read_last_build(tmp_path) == RECORD


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"form": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_record_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "last-build.json").write_bytes(data)
    assert read_last_build(tmp_path) is None


def test_the_record_of_another_form_is_none(tmp_path: Path) -> None:
    write_last_build(tmp_path, RECORD, {})
    path = tmp_path / "last-build.json"
    path.write_text(path.read_text().replace('"form":1', '"form":2'))
    assert read_last_build(tmp_path) is None


def test_the_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_last_build(tmp_path, RECORD, {})
    assert (tmp_path / "last-build.json").stat().st_mode & 0o077 == 0


def test_why_a_build_is_needed() -> None:
    assert why_not_the_same(RECORD, RECORD.fingerprint) == ""
    assert why_not_the_same(None, RECORD.fingerprint) == "no earlier build is on record"
    other = {"the source": "9", "the flags": "9"}
    assert why_not_the_same(RECORD, other) == "changed: the source, the flags"
    # A part that an earlier version did not have.
    assert why_not_the_same(RECORD, {**RECORD.fingerprint, "new": "1"}) == "changed: new"


def test_the_state_of_a_place_changes_with_what_stands_there(tmp_path: Path) -> None:
    archive = ImageLocation.parse("oci-archive:image.tar", relative_to=tmp_path)
    assert place_state(archive) == ""
    (tmp_path / "image.tar").write_text("image")
    first = place_state(archive)
    assert first
    assert place_state(archive) == first
    (tmp_path / "image.tar").write_text("other image")
    assert place_state(archive) != first


def test_a_layouts_state_is_that_of_its_index(tmp_path: Path) -> None:
    layout = ImageLocation.parse("oci:layout:1", relative_to=tmp_path)
    (tmp_path / "layout/blobs").mkdir(parents=True)
    assert place_state(layout) == ""
    (tmp_path / "layout/index.json").write_text("{}")
    first = place_state(layout)
    (tmp_path / "layout/blobs/new").touch()
    assert place_state(layout) == first
    shutil.rmtree(tmp_path / "layout")
    assert place_state(layout) == ""


def test_places_without_files_have_no_state() -> None:
    for text in ("docker://registry.example/shop:1", "containers-storage:localhost/shop:1"):
        assert place_state(ImageLocation.parse(text, relative_to=Path("/"))) == ""
