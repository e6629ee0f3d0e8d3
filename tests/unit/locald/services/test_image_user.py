"""The ids that an image's `User` means."""

from pathlib import Path

import pytest

from locald.services.image_user import ImageUser, home_folder, image_user
from oci.errors import ImageError
from oci.location import ImageLocation
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer

PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1002:1003::/home/app:/bin/sh\n"
GROUP = "root:x:0:\nstaff:x:50:\n"


def stored(folder: Path, user: str, *layers: bytes) -> StoredImage:
    layout = make_image(folder / "image", layers=layers, config={"config": {"User": user}})
    image = layout.read()
    return StoredImage(
        reference=None,
        layout=layout,
        image=image,
        source=ImageLocation.layout(layout.path),
        source_digest=image.digest,
    )


BASE = tar_layer({"etc/passwd": PASSWD, "etc/group": GROUP, "other": "x"})


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0)),
        ("root", (0, 0)),
        ("1001:1000", (1001, 1000)),
        ("app", (1002, 1003)),
        ("1002", (1002, 1003)),
        ("4711", (4711, 0)),
        ("app:staff", (1002, 50)),
        ("app:7", (1002, 7)),
        ("5:staff", (5, 50)),
    ],
)
def test_ids_and_names(tmp_path: Path, user: str, expected: tuple[int, int]) -> None:
    assert image_user(stored(tmp_path, user, BASE)) == ImageUser(*expected)


@pytest.mark.parametrize("user", ["nobody", "app:nogroup", "70000:1", "-1:1"])
def test_users_that_cannot_be(tmp_path: Path, user: str) -> None:
    with pytest.raises(ImageError, match="the image's user"):
        image_user(stored(tmp_path, user, BASE))


def test_the_highest_layer_decides(tmp_path: Path) -> None:
    top = tar_layer({"./etc/passwd": "app:x:7:8::/:/bin/sh\n"})
    assert image_user(stored(tmp_path, "app", BASE, top)) == ImageUser(7, 8)


def test_a_whiteout_hides_what_is_below(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not in its /etc/passwd"):
        image_user(stored(tmp_path, "app", BASE, tar_layer({"etc/.wh.passwd": ""})))


def test_home_is_the_passwd_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    assert home_folder(tmp_path, 1002) == "/home/app"
    assert home_folder(tmp_path, 4711) == "/"


def test_links_out_of_the_image_are_not_followed(tmp_path: Path) -> None:
    rootfs, host = tmp_path / "rootfs", tmp_path / "host"
    for folder in (rootfs, host):
        folder.mkdir()
    (host / "passwd").write_text(PASSWD)
    (rootfs / "etc").symlink_to(host)
    assert home_folder(rootfs, 1002) == "/"
    (rootfs / "etc").unlink()
    (rootfs / "etc").mkdir()
    (rootfs / "etc/passwd").symlink_to(host / "passwd")
    assert home_folder(rootfs, 1002) == "/"
