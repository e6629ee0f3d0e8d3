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
