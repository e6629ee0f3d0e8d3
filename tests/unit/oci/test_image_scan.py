"""What is found in a whole image, and what is remembered of it."""

from pathlib import Path

import pytest

from oci.errors import ImageError, StorageError
from oci.idmap import IdMap
from oci.image_scan import ImageLimits, ImageSummary, scan_image
from oci.layer_scan import ScanLimits
from oci.layout import Layout
from oci.scan_record import NAME, read_scan, write_scan
from tests.support.images import make_image, tar_layer, tar_member


def layers(count: int) -> list[bytes]:
    return [tar_layer({f"file-{number}": "x" * 5000}) for number in range(count)]


def scan(layout: Layout, limits: ImageLimits | None = None) -> ImageSummary:
    return scan_image(layout, layout.read(), origin="an image", limits=limits)


def test_all_layers_are_counted(tmp_path: Path) -> None:
    made = layers(5)
    owned = tar_member("owned")
    owned.uid, owned.gid = 70_000, 7
    found = scan(make_image(tmp_path / "i", layers=[*made, tar_layer({}, members=[owned])]))
    assert found.entries == 6
    assert found.size_bytes == sum(map(len, made)) + 10_240
    assert (found.largest_uid, found.largest_gid) == (70_000, 7)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ImageLimits(size_bytes=20_000), "it holds more than 20000 bytes uncompressed"),
        (ImageLimits(entries=3), "it has more than 3 entries"),
        (ImageLimits(layer=ScanLimits(entries=0)), "more than 0 entries"),
        (ImageLimits(size_bytes=10), "its layers are larger than 10 bytes"),
    ],
)
def test_an_image_that_holds_too_much_is_refused(
    tmp_path: Path, limits: ImageLimits, said: str
) -> None:
    with pytest.raises(ImageError, match=f"^an image: .*{said}"):
        scan(make_image(tmp_path / "i", layers=layers(5)), limits)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"\0" * len(data)])
def test_a_copy_that_was_damaged_is_taken_away(tmp_path: Path, change: object) -> None:
    layout = make_image(tmp_path / "i", layers=layers(2))
    path = layout.blob_path(layout.read().layer_digests[1])
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StorageError, match="of an image was damaged in the store"):
        scan(layout)
    assert not path.exists()


def test_an_image_that_is_wrong_itself_is_kept_for_a_look(tmp_path: Path) -> None:
    layout = make_image(tmp_path / "i", layers=[tar_layer({}, members=[tar_member("../x")])])
    with pytest.raises(ImageError, match="an image: the layer"):
        scan(layout)
    assert layout.has_blob(layout.read().layer_digests[0])


def test_owners_that_no_container_has_are_told() -> None:
    found = ImageSummary(entries=1, size_bytes=1, largest_uid=0, largest_gid=65_536)
    with pytest.raises(ImageError, match="a file belongs to the group 65536"):
        found.check_owners(IdMap(1000, 1000), origin="an image")
    found.check_owners(IdMap(1000, 1000, single=True), origin="an image")


def test_what_was_found_is_remembered(tmp_path: Path) -> None:
    layout = make_image(tmp_path / "i", layers=layers(1))
    assert read_scan(layout) is None
    found = scan(layout)
    write_scan(layout, found, staging=tmp_path)
    assert read_scan(layout) == found


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[" * 5000, b'{"rules":0,"found":null}', b"\0" * 100]
)
def test_a_record_that_is_not_ours_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    layout = make_image(tmp_path / "i", layers=layers(1))
    write_scan(layout, scan(layout), staging=tmp_path)
    (layout.path / NAME).write_bytes(content)
    assert read_scan(layout) is None


def test_what_older_rules_let_pass_is_looked_at_again(tmp_path: Path) -> None:
    layout = make_image(tmp_path / "i", layers=layers(1))
    write_scan(layout, scan(layout), staging=tmp_path)
    record = (layout.path / NAME).read_bytes()
    (layout.path / NAME).write_bytes(record.replace(b'"rules":1', b'"rules":0'))
    assert read_scan(layout) is None
