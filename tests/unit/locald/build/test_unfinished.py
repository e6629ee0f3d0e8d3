"""What killed deliveries leave in the user's folders."""

from pathlib import Path

from locald.build.unfinished import delivering, of_archive
from oci.layout_output import UNFINISHED
from oci.leases import shared


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_delivery_left_goes_with_the_next(tmp_path: Path) -> None:
    for name in ("oci-put-blob123", "index.json", "oci-put-blobs.txt"):
        (tmp_path / name).touch()
    with delivering(tmp_path, UNFINISHED):
        assert names(tmp_path) == {"index.json", "oci-put-blobs.txt"}


def test_what_another_delivery_writes_stays(tmp_path: Path) -> None:
    (tmp_path / "oci-put-blob123").touch()
    with shared(tmp_path), delivering(tmp_path, UNFINISHED):
        assert names(tmp_path) == {"oci-put-blob123"}


def test_only_parts_of_the_same_archive_go(tmp_path: Path) -> None:
    for name in (".app.tar.77.partial", ".other.tar.77.partial", "app.tar", ".app.tar.x.partial"):
        (tmp_path / name).touch()
    with delivering(tmp_path, of_archive("app.tar")):
        assert names(tmp_path) == {".other.tar.77.partial", "app.tar", ".app.tar.x.partial"}


def test_a_link_to_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/oci-put-blob1").touch()
    (tmp_path / "link").symlink_to("real")
    with delivering(tmp_path / "link", UNFINISHED):
        assert names(tmp_path / "real") == set()


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    with delivering(tmp_path / "none", UNFINISHED):
        assert names(tmp_path) == set()
