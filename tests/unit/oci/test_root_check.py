"""An unpacked root beside umoci's list of it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from oci.root_check import report

DIGEST = hashlib.sha256(b"hello\n").hexdigest()
LIST = f"""\
#          user: root
# .
/set type=file nlink=1 mode=0644 uid=0 gid=0
. size=4096 type=dir mode=0755
    motd size=6 sha256digest={DIGEST} tar_time=1.0
    with\\040space\\012line size=6 mode=0600 sha256digest={DIGEST}
    link size=4 type=link mode=0777 link=mo\\164d

# etc
etc type=dir mode=0755
    empty size=0
..
usr type=dir mode=0700
    lib type=dir mode=0755
        file size=6 sha256digest={DIGEST}
..
..
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    for folder, mode in (("etc", 0o755), ("usr", 0o700), ("usr/lib", 0o755), (".", 0o755)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(mode)
    for name, mode in (("motd", 0o644), ("with space\nline", 0o600), ("usr/lib/file", 0o644)):
        (root / name).write_bytes(b"hello\n")
        (root / name).chmod(mode)
    (root / "etc/empty").touch()
    (root / "etc/empty").chmod(0o644)
    (root / "link").symlink_to("motd")
    (tmp_path / "sha256_0.mtree").write_text(LIST)
    return tmp_path


def replace_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("/etc/passwd")


def replace_folder(root: Path) -> None:
    (root / "etc/empty").unlink()
    (root / "etc").rmdir()
    (root / "etc").symlink_to("usr")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another content": (lambda r: (r / "motd").write_bytes(b"hellO\n"), "motd: has another"),
    "zeros": (lambda r: (r / "usr/lib/file").write_bytes(bytes(6)), "usr/lib/file: has another"),
    "truncated": (lambda r: (r / "motd").write_bytes(b""), "motd: has 0 bytes, had 6"),
    "deleted": (lambda r: (r / "with space\nline").unlink(), "is gone"),
    "mode": (lambda r: (r / "motd").chmod(0o4755), "motd: has the mode 4755, had 0644"),
    "link": (replace_link, "link: points elsewhere"),
    "folder": (replace_folder, "etc: is a link, was a dir"),
    "added": (lambda r: (r / "usr/lib/more").touch(), "more: was not unpacked from the image"),
    "added at the top": (lambda r: (r / "new").mkdir(), "new: was not unpacked"),
}


def test_what_is_as_it_was_unpacked_differs_in_nothing(bundle: Path) -> None:
    assert list(report(bundle)) == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_by_its_path(bundle: Path, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(bundle / "rootfs")
    assert any(expected in line for line in report(bundle)), list(report(bundle))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the list is empty"),
        (LIST[: len(LIST) // 2], "was not unpacked from the image"),
        ("..\n", "damaged: it leaves its root"),
        ("/unset mode\n", "damaged: unknown"),
        (". type=dir\n    ../motd size=6\n", "leads elsewhere"),
        (". type=dir\n    motd type=file size=x\n", "damaged"),
    ],
)
def test_a_damaged_list_is_damage(bundle: Path, text: str, expected: str) -> None:
    (bundle / "sha256_0.mtree").write_text(text)
    assert any(expected in line for line in report(bundle)), list(report(bundle))


def test_a_list_that_is_gone_is_damage(bundle: Path) -> None:
    (bundle / "sha256_0.mtree").unlink()
    assert list(report(bundle)) == ["umoci's list of files is gone"]


def test_of_much_damage_the_beginning_is_told(bundle: Path) -> None:
    for number in range(100):
        (bundle / f"rootfs/etc/{number}").touch()
    assert len(list(report(bundle))) == 20
