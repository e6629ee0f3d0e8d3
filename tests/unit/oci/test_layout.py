"""Layouts: made, read back, rewritten, and damaged in every way."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oci.digest import Digest
from oci.errors import Error, ImageError
from oci.image import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.layout import Layout
from tests.support.images import describe, encode, make_image, tar_layer, write_index


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return make_image(tmp_path / "image", files={"a": "1"}, labels={"k": "v"}, env=["A=1"])


def test_an_image_is_read_as_it_was_made(layout: Layout) -> None:
    image = layout.read()
    assert image.config.labels == {"k": "v"}
    assert image.config.config.environment == {"A": "1"}
    assert image.digest == Digest.of(image.manifest_bytes)
    assert image.layer_digests == (Digest.parse(image.manifest.layers[0].digest),)
    assert layout.missing_layers(image) == ()


def test_the_folder_has_the_form_of_the_specification(layout: Layout) -> None:
    assert json.loads((layout.path / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout.path / "index.json").read_text())
    (entry,) = index["manifests"]
    assert index["schemaVersion"] == 2
    assert entry["mediaType"] == OCI_MANIFEST
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "latest"}
    assert sorted(p.name for p in layout.path.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_new_layout_holds_no_image_yet(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="expected one image, found 0"):
        Layout.create(tmp_path / "new").read()


def test_a_layout_is_made_in_a_new_folder_only(layout: Layout) -> None:
    with pytest.raises(FileExistsError):
        Layout.create(layout.path)


def test_layouts_may_share_one_folder_of_blobs(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    (blobs / "sha256").mkdir(parents=True)
    one = make_image(tmp_path / "one", files={"a": "1"}, blobs=blobs)
    count = len(list((blobs / "sha256").iterdir()))
    two = make_image(tmp_path / "two", files={"a": "1"}, labels={"other": "label"}, blobs=blobs)
    assert (two.path / "blobs").readlink() == blobs
    assert len(list((blobs / "sha256").iterdir())) == count + 2  # manifest and configuration
    assert one.read().layer_digests == two.read().layer_digests


def test_a_sparse_layout_says_what_it_lacks(layout: Layout) -> None:
    image = layout.read()
    layout.blob_path(image.layer_digests[0]).unlink()
    assert layout.missing_layers(layout.read()) == image.layer_digests


def _truncate(data: bytes) -> bytes:
    return data[:-1]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": _truncate,
    "zeros": lambda data: b"\0" * len(data),
    "one bit": lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],
    "longer": lambda data: data + b" ",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("part", ["manifest", "config"])
def test_a_damaged_document_is_never_believed(
    layout: Layout, part: str, damage: Callable[[bytes], bytes]
) -> None:
    image = layout.read()
    digest = image.digest if part == "manifest" else Digest.parse(image.manifest.config.digest)
    path = layout.blob_path(digest)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Error, match="is damaged") as caught:
        layout.read()
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("damage", ["empty", "truncated", "zeros"])
def test_a_damaged_index_is_refused(layout: Layout, damage: str) -> None:
    path = layout.path / "index.json"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(ImageError, match="the image index cannot be read"):
        layout.read()


def test_a_missing_document_is_named(layout: Layout) -> None:
    image = layout.read()
    layout.blob_path(image.digest).unlink()
    with pytest.raises(ImageError, match=f"the blob {image.digest} is missing"):
        layout.read()


def test_a_folder_that_is_no_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is not an OCI image layout: it has no index\.json"):
        Layout(tmp_path).read()
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="is not an OCI image layout"):
        Layout(tmp_path / "file").read()


def test_several_images_are_refused(layout: Layout) -> None:
    image = layout.read()
    entry = describe(image.manifest_bytes, OCI_MANIFEST)
    write_index(layout, entry, entry)
    with pytest.raises(ImageError, match="expected one image, found 2"):
        layout.read()


def test_an_index_in_the_place_of_an_image_is_refused(layout: Layout) -> None:
    inner = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    layout.write_blob(inner)
    write_index(layout, describe(inner, OCI_INDEX))
    with pytest.raises(ImageError, match="holds an image index where one image was expected"):
        layout.read()


@pytest.mark.parametrize("size", [-1, 0, 5, 1 << 40])
@pytest.mark.parametrize("which", ["manifest", "config"])
def test_a_size_that_is_not_the_blob_s_is_refused(layout: Layout, which: str, size: int) -> None:
    image = layout.read()
    manifest = image.manifest_bytes
    if which == "config":
        document = json.loads(manifest)
        document["config"]["size"] = size
        manifest = encode(document)
        layout.write_blob(manifest)
    entry = describe(manifest, OCI_MANIFEST)
    write_index(layout, {**entry, "size": size} if which == "manifest" else entry)
    with pytest.raises(ImageError, match=r"descriptor says|cannot be read"):
        layout.read()


def test_other_counts_of_layers_and_diff_ids_are_refused(tmp_path: Path) -> None:
    config = {"rootfs": {"type": "layers", "diff_ids": []}}
    with pytest.raises(ImageError, match="the manifest has 1 layers, the configuration 0"):
        make_image(tmp_path / "image", files={"a": "1"}, config=config)


@pytest.mark.parametrize("place", ["index.json", "blob"])
@pytest.mark.parametrize("kind", ["link", "fifo", "large"])
def test_a_trap_in_the_place_of_a_document_is_refused(
    layout: Layout, tmp_path: Path, place: str, kind: str
) -> None:
    path = layout.path / place if place != "blob" else layout.blob_path(layout.read().digest)
    secret = tmp_path / "secret"
    path.rename(secret)
    match kind:
        case "link":
            path.symlink_to(secret)
        case "fifo":
            os.mkfifo(path)
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 40)
    with pytest.raises(ImageError, match=r"no plain file|larger than"):
        layout.read()


def test_a_damaged_small_blob_is_replaced_when_it_is_written_again(layout: Layout) -> None:
    digest = layout.write_blob(b"content")
    layout.blob_path(digest).write_bytes(b"conten")
    assert layout.write_blob(b"content") == digest
    assert layout.read_blob(digest) == b"content"


def test_a_folder_in_the_place_of_a_blob_makes_way(layout: Layout) -> None:
    image = layout.read()
    (layer,) = image.layer_digests
    for digest in (layer, image.manifest.config.parsed_digest()):
        path = layout.blob_path(digest)
        path.unlink()
        (path / "deep").mkdir(parents=True)
        (path / "deep/file").touch()
    layout.drop_torn_layers(image)
    assert not layout.blob_path(layer).exists()
    layout.write_blob(image.config_bytes)
    assert layout.read() == image


def test_a_folder_of_blobs_that_layouts_share_gets_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = tmp_path / "blobs"
    (blobs / "sha256").mkdir(parents=True)
    layout = Layout.create(tmp_path / "image", blobs=blobs)

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(SystemExit):
        layout.write_blob(b"a document")
    assert not list((blobs / "sha256").iterdir())


def test_writers_of_one_blob_do_not_disturb_each_other(layout: Layout) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(100):
                layout.write_blob(b"%d" % number * 1000)
        except BaseException as error:  # noqa: BLE001  (told by the test)
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    names = [p.name for p in (layout.path / "blobs/sha256").iterdir()]
    assert not [name for name in names if name.startswith(".")]


def test_rewriting_keeps_what_nobody_edits_and_computes_digests_anew(tmp_path: Path) -> None:
    layer = tar_layer({"a": "1"})
    layout = make_image(
        tmp_path / "image",
        layers=[layer],
        labels={"k": "v"},
        config={"x-unknown": {"kept": [1, 2.5, None]}},
        manifest={"mediaType": DOCKER_MANIFEST, "annotations": {"n": "1"}},
        media_type=DOCKER_MANIFEST,
    )
    before = layout.read()
    document = json.loads(before.manifest_bytes)
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    layout.write(encode(document), before.config_bytes, media_type=DOCKER_MANIFEST)

    def edit(config: dict[str, Any]) -> None:
        config["config"]["Labels"]["new"] = "label"

    after = layout.rewrite(edit, lambda manifest: manifest.update(extra="also kept"))
    assert after.config.labels == {"k": "v", "new": "label"}
    assert json.loads(after.config_bytes)["x-unknown"] == {"kept": [1, 2.5, None]}
    manifest = json.loads(after.manifest_bytes)
    assert manifest["extra"] == "also kept"
    assert manifest["annotations"] == {"n": "1"}
    assert manifest["mediaType"] == after.media_type == OCI_MANIFEST
    assert manifest["config"] == describe(after.config_bytes, OCI_CONFIG)
    assert manifest["layers"] == [{**document["layers"][0], "mediaType": OCI_LAYER_GZIP}]
    assert after.digest == Digest.of(after.manifest_bytes) != before.digest
    assert layout.read() == after


def test_rewriting_the_same_twice_changes_nothing_more(layout: Layout) -> None:
    once = layout.rewrite(lambda _: None)
    assert layout.rewrite(lambda _: None) == once
