"""An image whose base layers a build did not need gets them when it is to run."""

import json
from pathlib import Path

import pytest

from lifecycle.labels import LIFECYCLE_METADATA
from locald.services.base_layers import complete_layers
from oci.digest import Digest
from oci.errors import ImageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from tests.support.images import make_image, tar_layer

BASE = tar_layer({"base": "b"})
APP = tar_layer({"workspace/app": "a"})
RUN_IMAGE = Reference.parse("registry.example/run:1")
APP_NAME = Reference.parse("localhost/shop:latest")
PLATFORM = Platform.of_host()


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store", Skopeo(CommandRunner()))


def sparse_image(folder: Path, store: ImageStore, *, run_image: Reference) -> StoredImage:
    """In the store, without the blob of its base layer."""
    run = {"image": str(run_image), "topLayer": str(Digest.of(BASE))}
    labels = {LIFECYCLE_METADATA: json.dumps({"runImage": run})}
    layout = make_image(folder / "app", layers=[BASE, APP], labels=labels)
    layout.blob_path(layout.read().layer_digests[0]).unlink()
    stored = store.commit(layout, (APP_NAME,), PLATFORM)
    assert not stored.complete
    return stored


def test_they_come_from_where_the_run_image_came_from(tmp_path: Path, store: ImageStore) -> None:
    origin = make_image(tmp_path / "run", layers=[BASE])
    store.fetch_sparse(ImageLocation.layout(origin.path, "latest"), PLATFORM, reference=RUN_IMAGE)
    stored = sparse_image(tmp_path, store, run_image=RUN_IMAGE)
    told: list[str] = []
    complete_layers(stored, PLATFORM, store, tell=told.append)
    assert stored.complete
    assert told == ["Fetching the layers of the run image registry.example/run:1"]
    complete_layers(stored, PLATFORM, store, tell=told.append)
    assert len(told) == 1


def test_without_them_the_remedy_is_told(tmp_path: Path, store: ImageStore) -> None:
    local = Reference.parse("localhost/run:1")
    stored = sparse_image(tmp_path, store, run_image=local)
    with pytest.raises(ImageError, match="1 of its layers") as raised:
        complete_layers(stored, PLATFORM, store, tell=lambda _: None)
    assert raised.value.hint == "build it again: locald build"
