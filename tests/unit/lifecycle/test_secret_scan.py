"""The search for secrets: in documents, layers and folders."""

import gzip
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from lifecycle.build_secret import BuildSecret, needles
from lifecycle.secret_scan import Finding, SecretScan
from oci.errors import ImageError

TOKEN = b"tok-9f8e7d6c5b4a3210"


@pytest.fixture
def scan() -> SecretScan:
    return SecretScan(needles([BuildSecret(id="npm", value=TOKEN)]))


def finding(where: str, form: str = "as it is") -> Finding:
    return Finding(secret="npm", form=form, where=where)


def archive(path: Path, files: dict[str, bytes], *, compressed: bool = True) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.write_bytes(gzip.compress(buffer.getvalue()) if compressed else buffer.getvalue())
    return path


def test_a_document(scan: SecretScan) -> None:
    assert scan.text(b'{"a": "' + TOKEN + b'"}', "a label") == (finding("a label"),)
    assert scan.text(TOKEN.hex().encode(), "x") == (finding("x", "in hexadecimal digits"),)
    assert scan.text(TOKEN[:-1], "a label") == ()


@pytest.mark.parametrize("compressed", [True, False])
def test_a_layer_tells_the_file(scan: SecretScan, tmp_path: Path, compressed: bool) -> None:
    files = {
        "layers/a/clean": b"x" * 100,
        "layers/a/config": b"token = " + TOKEN,
        "layers/a/" + "long/" * 60 + "name": b"",
        "layers/b/again": TOKEN * 3,
        "layers/c/after": b"y" * 2000,
    }
    path = archive(tmp_path / "layer", files, compressed=compressed)
    assert scan.layer(path, "a layer") == (
        finding("a layer: layers/a/config"),
        finding("a layer: layers/b/again"),
    )


def test_a_name_in_a_layer(scan: SecretScan, tmp_path: Path) -> None:
    path = archive(tmp_path / "layer", {"clean": b"", f"cache/{TOKEN.decode()}/x": b"z"})
    assert scan.layer(path, "l") == (finding(f"l: cache/{TOKEN.decode()}/x"),)


@pytest.mark.parametrize("offset", [(1 << 20) - 530, (1 << 20) - 520, (1 << 20) - 512, 1 << 20])
def test_what_lies_across_two_reads_is_found_once(
    scan: SecretScan, tmp_path: Path, offset: int
) -> None:
    # The content follows a header of 512 bytes.
    content = b"\0" * offset + TOKEN + b"\0" * (3 << 20)
    path = archive(tmp_path / "layer", {"big": content})
    assert scan.layer(path, "l") == (finding("l: big"),)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/big").write_bytes(content)
    assert scan.tree(tmp_path / "tree", "t") == (finding("t: big"),)


def test_a_damaged_layer_is_an_error(scan: SecretScan, tmp_path: Path) -> None:
    path = archive(tmp_path / "layer", {"a": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ImageError, match="damaged"):
        scan.layer(path, "l")


def test_a_tree(scan: SecretScan, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/file").write_bytes(b"a" + TOKEN)
    (tree / TOKEN.decode()).touch()
    outside = tmp_path / "outside"
    outside.write_bytes(TOKEN)
    (tree / "link").symlink_to(outside)
    os.mkfifo(tree / "fifo")
    archive(tree / "sha256:1.tar", {"x/y": TOKEN}, compressed=False)
    assert set(scan.tree(tree, "the cache")) == {
        finding("the cache: deep/er/file"),
        finding(f"the cache: the name {TOKEN.decode()}"),
        finding("the cache: sha256:1.tar: x/y"),
    }
    assert scan.unread == []


def test_only_what_changed(scan: SecretScan, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(TOKEN)
    time.sleep(0.05)
    (tmp_path / "mark").touch()
    since = (tmp_path / "mark").stat().st_ctime_ns
    assert scan.tree(tmp_path, "t", changed_since_ns=since) == ()
    (tmp_path / "new").write_bytes(TOKEN)
    # A time that somebody set does not hide a change.
    os.utime(tmp_path / "new", (0, 0))
    assert scan.tree(tmp_path, "t", changed_since_ns=since) == (finding("t: new"),)


def test_what_cannot_be_read_is_told(scan: SecretScan, tmp_path: Path) -> None:
    (tmp_path / "loop").mkdir()
    path = tmp_path / "loop/file"
    path.write_bytes(TOKEN)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads every file: the ability to be refused one")
    assert scan.tree(tmp_path, "t") == ()
    assert scan.unread == [path]
