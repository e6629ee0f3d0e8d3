"""Registries that believe everything: what skopeo lets pass is found by us, and nothing of it stays
where it could be taken for good."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from oci.digest import Digest
from oci.errors import ImageError
from oci.image import DOCKER_MANIFEST, OCI_LAYER_ZSTD, OCI_MANIFEST
from oci.layout import Layout
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.corpus.made_image import CONTENT, MadeImage, with_config, with_layer
from tests.support.images import tar_layer, tar_member
from tests.support.raw_registry import RawRegistry, serve_raw
from tests.support.zstd import zstd_compress

pytestmark = pytest.mark.corpus

HOST = Platform.of_host()
NAME = Reference.parse("localhost/hostile:1")
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OTHER = str(Digest.of(b"something else"))


def store_of(registry: RawRegistry, folder: Path) -> ImageStore:
    return ImageStore(folder / "store", Skopeo(CommandRunner(), registry.registries))


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "a layer's size": ({"edit_manifest": with_layer(size=5)}, "bytes, the manifest says 5"),
    "a huge size": ({"edit_manifest": with_layer(size=1 << 60)}, "manifest cannot be read"),
    "a negative size": ({"edit_manifest": with_layer(size=-1)}, "manifest cannot be read"),
    "a diffID": (
        {"edit_config": lambda c: c["rootfs"].update(diff_ids=[OTHER])},
        "does not hold what the image says",
    ),
    "the count of diffIDs": (
        {"edit_config": lambda c: c["rootfs"].update(diff_ids=[])},
        "the manifest has 1 layers, the configuration 0",
    ),
    "the compression": ({"blob": CONTENT}, "is damaged"),
    "a key in another case": (
        {"raw_manifest": lambda data: b'{"LAYERS":[],' + data[1:]},
        "'LAYERS', which is not 'layers'",
    ),
    "a key twice": ({"raw_config": lambda data: b'{"os":"linux",' + data[1:]}, "is in it twice"),
    "a name with a parent": (
        {"content": tar_layer({}, members=[tar_member("../x", size=1)])},
        r"`\.\.` in its name",
    ),
    "a layer's type": ({"edit_manifest": with_layer(mediaType="x/y")}, "is not supported|skopeo"),
}


@pytest.mark.parametrize(("parts", "said"), LIES.values(), ids=LIES.keys())
def test_what_a_registry_says_wrongly_is_refused(
    tmp_path: Path, parts: dict[str, Any], said: str
) -> None:
    with serve_raw(MadeImage(**parts).write(tmp_path / "image")) as registry:
        store = store_of(registry, tmp_path)
        with pytest.raises(ImageError) as caught:
            store.fetch(registry.location, HOST, reference=NAME)
        text = "\n".join((caught.value.message, *caught.value.details))
        assert registry.host in text
        assert caught.value.message.isprintable()
        assert re.search(said, text), text
    assert store.find(NAME, HOST) is None


def test_a_refused_layer_does_not_complete_what_was_looked_up_before(tmp_path: Path) -> None:
    """The run image's documents come first, its layers only when an output needs them."""
    made = MadeImage(edit_config=lambda c: c["rootfs"].update(diff_ids=[OTHER]))
    with serve_raw(made.write(tmp_path / "image")) as registry:
        store = store_of(registry, tmp_path)
        sparse = store.fetch_sparse(registry.location, HOST, reference=NAME)
        for _ in range(2):
            with pytest.raises(ImageError, match="does not hold what the image says"):
                store.complete(sparse, HOST)
            assert not sparse.complete


def test_a_size_that_is_a_lie_takes_no_layer_from_other_images(tmp_path: Path) -> None:
    good = MadeImage().write(tmp_path / "good")
    with serve_raw(good) as registry:
        store = store_of(registry, tmp_path)
        stored = store.fetch(registry.location, HOST, reference=NAME)
    evil = MadeImage(edit_manifest=with_layer(size=5)).write(tmp_path / "evil")
    with serve_raw(evil) as registry:
        store = store_of(registry, tmp_path)
        with pytest.raises(ImageError, match="the manifest says 5"):
            store.fetch(registry.location, HOST, reference=None)
    assert stored.complete


def test_a_layer_that_comes_from_elsewhere_is_asked_for_nowhere(tmp_path: Path) -> None:
    with serve_raw(MadeImage().write(tmp_path / "other")) as elsewhere:
        made = MadeImage(
            layer={"mediaType": FOREIGN, "urls": [f"http://{elsewhere.host}/layer"]},
            media_type=DOCKER_MANIFEST,
            edit_manifest=with_config(mediaType=DOCKER_CONFIG),
        )
        with serve_raw(made.write(tmp_path / "image")) as registry:
            store = store_of(registry, tmp_path)
            with pytest.raises(ImageError, match="may not be distributed with the image"):
                store.fetch(registry.location, HOST, reference=NAME)
        assert elsewhere.asked == []


def test_an_image_in_zstd_keeps_its_digest(tmp_path: Path) -> None:
    made = MadeImage(blob=zstd_compress(CONTENT), layer={"mediaType": OCI_LAYER_ZSTD})
    layout = made.write(tmp_path / "image")
    with serve_raw(layout) as registry:
        stored = store_of(registry, tmp_path).fetch(registry.location, HOST, reference=NAME)
    assert stored.digest == stored.source_digest == Layout(layout).read().digest


@pytest.mark.parametrize(
    ("blob", "suffix"),
    [(gzip.compress(CONTENT), ".gzip"), (CONTENT, "")],
    ids=["gzip", "plain"],
)
def test_docker_s_image_becomes_image_spec_s_and_its_own_digest_is_known(
    tmp_path: Path, blob: bytes, suffix: str
) -> None:
    made = MadeImage(
        blob=blob,
        layer={"mediaType": f"application/vnd.docker.image.rootfs.diff.tar{suffix}"},
        media_type=DOCKER_MANIFEST,
        edit_manifest=with_config(mediaType=DOCKER_CONFIG),
    )
    layout = made.write(tmp_path / "image")
    with serve_raw(layout) as registry:
        stored = store_of(registry, tmp_path).fetch(registry.location, HOST, reference=NAME)
    assert stored.image.media_type == stored.image.manifest.media_type == OCI_MANIFEST
    assert stored.source_digest == Layout(layout).read().digest != stored.digest
    assert stored.complete
