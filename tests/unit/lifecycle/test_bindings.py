"""Service bindings, as buildpacks will find them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.bindings import Binding, certificate_files, check_binding_name, read_binding
from oci.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "db"
    made.mkdir()
    (made / "type").write_text("postgresql\n")
    (made / "password").write_text("s3cr3t")
    return made


def test_a_folder_of_files(folder: Path) -> None:
    assert read_binding("db", folder) == Binding(name="db", type="postgresql", folder=folder)


def test_kubernetes_links_within_the_folder(tmp_path: Path) -> None:
    made = tmp_path / "db"
    (made / "..2024_01").mkdir(parents=True)
    (made / "..2024_01/type").write_text("maven")
    (made / "..data").symlink_to("..2024_01")
    (made / "type").symlink_to("..data/type")
    (tmp_path / "link").symlink_to(made)
    assert read_binding("db", tmp_path / "link") == Binding(name="db", type="maven", folder=made)


@pytest.mark.parametrize("name", ["db", "my-db.1", "a" * 253])
def test_names(name: str) -> None:
    check_binding_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "My", "a b", "a" * 254, "ä", "a\n"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a binding's name"):
        check_binding_name(name)


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


CHANGES: dict[str, Callable[[Path], object]] = {
    "no such file": _remove,
    "has no file `type`": lambda f: (f / "type").unlink(),
    "its file `type` is empty": lambda f: (f / "type").write_text("\n"),
    "or not one line": lambda f: (f / "type").write_text("a\nb\n"),
    "password is a link that leads out": lambda f: _replace_by_link(f / "password"),
    "x is a link that leads out": lambda f: (f / "x").symlink_to("../other"),
    "x is a folder; entries are files": lambda f: (f / "x").mkdir(),
    "x is no file": lambda f: os.mkfifo(f / "x"),
    "not an entry's name: 'a b'": lambda f: (f / "a b").touch(),
}


@pytest.mark.parametrize("message", CHANGES)
def test_folders_that_are_refused(folder: Path, message: str) -> None:
    CHANGES[message](folder)
    with pytest.raises(UsageError) as caught:
        read_binding("db", folder)
    assert caught.value.message.startswith("the binding db: ")
    assert message in caught.value.message


def test_a_file_is_no_binding(folder: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        read_binding("db", folder / "type")


def test_certificates_one_by_one() -> None:
    one = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    two = one.replace(b"AAAA", b"BBBB")
    assert certificate_files([one, two]) == {
        "type": b"ca-certificates",
        "ca-001.pem": one + b"\n",
        "ca-002.pem": two + b"\n",
    }
