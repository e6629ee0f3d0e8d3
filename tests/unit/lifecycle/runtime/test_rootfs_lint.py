import os
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.rootfs_lint import FOLDERS, check_rootfs, linked_files
from oci.errors import ImageError


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    for name in ("etc", "proc", "layers", "workspace"):
        (root / name).mkdir(parents=True)
    return root


def test_plain_and_missing_folders_pass(rootfs: Path) -> None:
    (rootfs / "layers/order.toml").touch()
    targets = (PurePosixPath("/layers/order.toml"), PurePosixPath("/absent/below"))
    check_rootfs(rootfs, targets)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_usual_folder_that_is_something_else_is_refused(
    rootfs: Path, tmp_path: Path, folder: PurePosixPath, kind: str
) -> None:
    path = rootfs / folder.relative_to("/")
    if path.exists():
        path.rmdir()
    if kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.touch()
    with pytest.raises(ImageError, match=f"its {folder} is"):
        check_rootfs(rootfs, ())


def test_a_root_that_is_a_link_is_refused(rootfs: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(rootfs)
    with pytest.raises(ImageError, match="its / is a link"):
        check_rootfs(link, ())


@pytest.mark.parametrize("linked", ["opt", "opt/in", "opt/in/target"])
def test_a_link_above_a_target_is_refused(rootfs: Path, tmp_path: Path, linked: str) -> None:
    path = rootfs / linked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(tmp_path)
    with pytest.raises(ImageError, match=f"its /{linked} is a link"):
        check_rootfs(rootfs, (PurePosixPath("/opt/in/target"),))


def test_our_own_files_may_be_links_in_the_image(rootfs: Path) -> None:
    (rootfs / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    names = (PurePosixPath("/etc/hosts"), PurePosixPath("/etc/resolv.conf"))
    assert linked_files(rootfs, names) == (PurePosixPath("/etc/resolv.conf"),)


MOUNTED = (
    *(f"/cnb/extensions/acme_{name}/1.0" for name in ("a", "b")),
    "/cnb/buildpacks/acme_mine/1.0",
    "/cnb/lifecycle",
    "/platform",
    "/platform/bindings/database",
    "/layers",
    "/cache",
    "/build-cache",
    "/layout-repo",
    "/workspace",
    "/tmp",
    "/var/tmp",
    "/run/secrets",
    "/etc/ssl/certs/ca-certificates.crt",
    "/volume/of/the/user",
)


@pytest.mark.parametrize("target", MOUNTED)
def test_wherever_something_is_mounted_no_part_of_the_way_may_be_a_link(
    tmp_path: Path, target: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    parts = PurePosixPath(target).parts[1:]
    for count in range(1, len(parts) + 1):
        link = PurePosixPath("/", *parts[:count])
        rootfs = tmp_path / f"rootfs-{count}"
        place = rootfs / link.relative_to("/")
        place.parent.mkdir(parents=True)
        place.symlink_to(outside)
        with pytest.raises(ImageError, match=f"its {link} is a link"):
            check_rootfs(rootfs, (PurePosixPath(target),))


def test_a_device_where_something_is_mounted_is_refused(rootfs: Path) -> None:
    os.mkfifo(rootfs / "layers/order.toml")
    with pytest.raises(ImageError, match=r"its /layers/order\.toml is no folder"):
        check_rootfs(rootfs, (PurePosixPath("/layers/order.toml"),))
