"""Images added to layouts that belong to the user."""

import json
import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oci.errors import ImageError, StorageError
from oci.layout import Layout, LayoutImage
from oci.layout_output import UNFINISHED, put_image
from tests.support.images import make_image


class Source:
    """An image to add."""

    def __init__(self, folder: Path, content: str = "1") -> None:
        self.layout = make_image(folder, files={"a": content})
        self.image: LayoutImage = self.layout.read()
        (self.layer,) = self.image.layer_digests

    def put(self, folder: Path, name: str) -> None:
        put_image(folder, self.image, name, layers=self.layout)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def index_of(folder: Path) -> Any:
    return json.loads((folder / "index.json").read_bytes())


def names(folder: Path) -> list[str]:
    found = index_of(folder)["manifests"]
    return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in found]


def test_an_empty_folder_becomes_a_layout_that_other_tools_read(source: Source, out: Path) -> None:
    source.put(out, "v1")
    assert Layout(out).read() == source.image
    assert (out / "oci-layout").read_bytes() == (source.layout.path / "oci-layout").read_bytes()
    argv = ["skopeo", "inspect", "--raw", f"oci:{out}:v1"]
    shown = subprocess.run(argv, capture_output=True, check=True)
    assert shown.stdout == source.image.manifest_bytes


def test_the_same_name_is_replaced_and_other_images_stay_as_they_are(
    source: Source, out: Path, tmp_path: Path
) -> None:
    source.put(out, "v1")
    index = index_of(out)
    index["annotations"] = {"of": "the index"}
    index["manifests"][0] |= {"artifactType": "text/plain", "urls": ["https://example.com"]}
    (out / "index.json").write_text(json.dumps(index))
    other = Source(tmp_path / "other", "2")
    other.put(out, "v2")
    source.put(out, "v2")
    assert names(out) == ["v1", "v2"]
    assert index_of(out)["annotations"] == {"of": "the index"}
    assert index_of(out)["manifests"][0] == index["manifests"][0]


def test_many_at_once_lose_no_name(tmp_path: Path, out: Path) -> None:
    sources = [Source(tmp_path / f"source-{n}", str(n % 3)) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: sources[n].put(out, f"v{n}"), range(12)))
    assert sorted(names(out)) == sorted(f"v{n}" for n in range(12))
    assert not [path for path in out.iterdir() if UNFINISHED.fullmatch(path.name)]


@pytest.mark.parametrize("data", [b"", b"short", None])
def test_a_torn_blob_is_replaced(source: Source, out: Path, data: bytes | None) -> None:
    source.put(out, "v1")
    for path in (out / "blobs/sha256").iterdir():
        path.write_bytes(path.read_bytes()[:-1] if data is None else data)
    source.put(out, "v1")
    assert Layout(out).read() == source.image
    assert Layout(out).missing_layers(source.image) == ()


def test_a_damaged_layer_is_not_handed_on(source: Source, out: Path) -> None:
    path = source.layout.blob_path(source.layer)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(StorageError, match="damaged") as caught:
        source.put(out, "v1")
    assert "verify-store" in caught.value.hint
    assert not (out / "index.json").exists()
    assert [p.name for p in out.iterdir()] == ["blobs"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"manifests": 1}', b"\xff"])
def test_an_index_that_is_none_is_left_alone(source: Source, out: Path, content: bytes) -> None:
    (out / "index.json").write_bytes(content)
    with pytest.raises(ImageError):
        source.put(out, "v1")
    assert (out / "index.json").read_bytes() == content


def test_a_link_in_the_place_of_the_index_is_not_followed(
    source: Source, out: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text('{"schemaVersion": 2, "manifests": []}')
    (out / "index.json").symlink_to(canary)
    with pytest.raises(ImageError):
        source.put(out, "v1")
    assert canary.read_text() == '{"schemaVersion": 2, "manifests": []}'


def test_files_are_as_readable_as_the_umask_allows(source: Source, out: Path) -> None:
    before = os.umask(0o027)
    try:
        source.put(out, "v1")
    finally:
        os.umask(before)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
