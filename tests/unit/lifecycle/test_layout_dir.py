"""The layout directory: what the lifecycle finds there, and what it left."""

import json
from pathlib import Path

import pytest

from lifecycle.inputs import APP_IMAGE
from lifecycle.labels import LIFECYCLE_METADATA
from lifecycle.layout_dir import exported_layout, place_previous_image, place_run_image
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout
from oci.reference import Reference, layout_subpath
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer

RUN = Reference.parse("registry.example/run:1")


def stored(layout: Layout) -> StoredImage:
    image = layout.read()
    return StoredImage(
        reference=RUN, layout=layout, image=image, source=None, source_digest=image.digest
    )


def test_the_run_image_is_found_under_its_name_without_layers(tmp_path: Path) -> None:
    image = stored(make_image(tmp_path / "run", files={"a": "1"}))
    place_run_image(tmp_path / "repo", RUN, image)
    placed = Layout(tmp_path / "repo/registry.example/run/1")
    assert placed.read() == image.image
    assert placed.missing_layers(image.image) == image.image.layer_digests


def test_the_previous_image_comes_with_its_bill_of_materials_only(tmp_path: Path) -> None:
    app, sbom = tar_layer({"app": "1"}), tar_layer({"layers/sbom/x": "{}"})
    metadata = {"sbom": {"sha": str(Digest.of(sbom))}}
    image = stored(
        make_image(
            tmp_path / "previous",
            layers=[app, sbom],
            labels={LIFECYCLE_METADATA: json.dumps(metadata)},
        )
    )
    place_previous_image(tmp_path / "repo", image)
    placed = Layout(tmp_path / "repo/locald.internal/previous/latest")
    assert placed.missing_layers(placed.read()) == image.image.layer_digests[:1]
    copy = placed.blob_path(image.image.layer_digests[1])
    assert not copy.is_symlink()
    assert copy.read_bytes() == image.layout.blob_path(image.image.layer_digests[1]).read_bytes()


def test_the_exported_image_is_where_the_lifecycle_writes_it(tmp_path: Path) -> None:
    made = make_image(tmp_path / "repo" / layout_subpath(APP_IMAGE), files={"a": "1"})
    assert exported_layout(tmp_path / "repo").read() == made.read()


@pytest.mark.parametrize("part", ["", "locald.internal", "locald.internal/app"])
def test_an_exporter_that_left_nothing_is_told(tmp_path: Path, part: str) -> None:
    (tmp_path / "repo" / part).mkdir(parents=True)
    with pytest.raises(ImageError, match="the exporter left no image layout"):
        exported_layout(tmp_path / "repo")


@pytest.mark.parametrize(
    "part",
    [
        "locald.internal",
        "locald.internal/app",
        "locald.internal/app/latest",
        "locald.internal/app/latest/blobs",
        "locald.internal/app/latest/blobs/sha256",
    ],
)
def test_an_exporter_that_leads_us_elsewhere_is_refused(tmp_path: Path, part: str) -> None:
    repo = tmp_path / "repo"
    make_image(repo / layout_subpath(APP_IMAGE), files={"a": "1"})
    (repo / part).rename(tmp_path / "elsewhere")
    (repo / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ImageError, match="is no folder"):
        exported_layout(repo)
