"""What the exporter leaves is put right."""

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.export import put_right
from lifecycle.labels import LIFECYCLE_METADATA
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_TAR, OCI_MANIFEST
from oci.layout import Layout, LayoutImage
from oci.reference import Reference
from tests.support.images import encode, make_image, tar_layer

RUN = Reference.parse("registry.example/run:1")
RUN_DIGEST = Digest("ab" * 32)
METADATA = {
    "app": [{"sha": "sha256:1"}],
    "runImage": {"topLayer": "sha256:t", "image": "/layout-repo/registry.example/run/1"},
    "unknown": {"kept": True},
}


@pytest.fixture
def exported(tmp_path: Path) -> Layout:
    """An image as the exporter writes it: Docker's types for some parts, none for the manifest."""
    layout = make_image(
        tmp_path / "exported",
        layers=[tar_layer({"base": "1"}), tar_layer({"app": "2"})],
        labels={LIFECYCLE_METADATA: json.dumps(METADATA), "mine": "kept"},
    )
    image = layout.read()
    manifest = json.loads(image.manifest_bytes)
    del manifest["mediaType"]
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    manifest["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    layout.write(encode(manifest), image.config_bytes)
    layout.blob_path(image.layer_digests[0]).unlink()  # the base stays in its registry
    return layout


def right(layout: Layout) -> LayoutImage:
    return put_right(layout, run_image=RUN, run_image_digest=RUN_DIGEST)


def label(image: LayoutImage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(image.config.labels[LIFECYCLE_METADATA])
    return found


def test_media_types_are_those_of_the_image_specification(exported: Layout) -> None:
    before = exported.read()
    image = right(exported)
    manifest = json.loads(image.manifest_bytes)
    assert manifest["mediaType"] == image.media_type == OCI_MANIFEST
    assert manifest["config"]["mediaType"] == OCI_CONFIG
    assert [layer["mediaType"] for layer in manifest["layers"]] == [OCI_LAYER_GZIP] * 2
    assert image.layer_digests == before.layer_digests


def test_the_label_names_the_run_image_as_the_registry_does(exported: Layout) -> None:
    metadata = label(right(exported))
    assert metadata["runImage"] == {
        "topLayer": "sha256:t",
        "image": "registry.example/run:1",
        "reference": f"registry.example/run@sha256:{'ab' * 32}",
    }
    assert metadata["app"] == METADATA["app"]
    assert metadata["unknown"] == {"kept": True}


def test_other_labels_and_the_configuration_stay(exported: Layout) -> None:
    before = exported.read().config
    after = right(exported).config
    assert after.labels["mine"] == "kept"
    assert after.rootfs == before.rootfs
    assert after.platform == before.platform


def test_the_digest_is_that_of_the_new_documents(exported: Layout) -> None:
    before = exported.read().digest
    image = right(exported)
    assert image.digest == Digest.of(image.manifest_bytes) != before
    assert image.manifest.config.digest == str(Digest.of(image.config_bytes))
    assert exported.read() == image


def test_twice_right_is_right(exported: Layout) -> None:
    assert right(exported) == right(exported)


@pytest.mark.parametrize("metadata", [{}, {"runImage": None}])
def test_a_label_without_a_run_image_gets_one(tmp_path: Path, metadata: dict[str, Any]) -> None:
    layout = make_image(tmp_path / "i", labels={LIFECYCLE_METADATA: json.dumps(metadata)})
    assert label(right(layout))["runImage"]["image"] == "registry.example/run:1"


@pytest.mark.parametrize(
    "config", [{}, {"config": {}}, {"config": {"Labels": None}}, {"config": {"Labels": {"a": "b"}}}]
)
def test_an_image_without_the_label_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    layout = make_image(tmp_path / "i", config=config)
    with pytest.raises(ImageError, match=f"has no label {LIFECYCLE_METADATA}"):
        right(layout)


@pytest.mark.parametrize("text", ["{", "3", "[]", "null", "[" * 100_000])
def test_a_label_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    layout = make_image(tmp_path / "i", labels={LIFECYCLE_METADATA: text})
    with pytest.raises(ImageError, match="cannot be read"):
        right(layout)


@pytest.mark.parametrize("damage", ["truncated", "changed", "link", "folder"])
def test_a_damaged_layer_is_refused(exported: Layout, tmp_path: Path, damage: str) -> None:
    path = exported.blob_path(exported.read().layer_digests[1])
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "truncated":
            path.write_bytes(content[:-1])
        case "changed":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "link":
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
        case _:
            path.mkdir()
    with pytest.raises(ImageError, match="the exporter left a damaged layer"):
        right(exported)


def test_an_uncompressed_layer_keeps_its_type(tmp_path: Path) -> None:
    layout = make_image(
        tmp_path / "i",
        files={"a": "1"},
        compress=False,
        labels={LIFECYCLE_METADATA: json.dumps(METADATA)},
    )
    assert [layer.media_type for layer in right(layout).manifest.layers] == [OCI_LAYER_TAR]


def test_the_applications_labels_do_not_replace_those_of_buildpacks(tmp_path: Path) -> None:
    base = {"title": "Base system", "version": "24.04"}
    layout = make_image(
        tmp_path / "exported",
        layers=[tar_layer({"app": "1"})],
        labels={LIFECYCLE_METADATA: "{}", **base, "licenses": "set by a buildpack"},
    )
    image = put_right(
        layout,
        run_image=RUN,
        run_image_digest=RUN_DIGEST,
        labels={"title": "The Shop", "licenses": "MIT", "source": "https://example.com"},
        inherited=base,
    )
    assert dict(image.config.labels) == {
        LIFECYCLE_METADATA: image.config.labels[LIFECYCLE_METADATA],
        "title": "The Shop",
        "version": "24.04",
        "licenses": "set by a buildpack",
        "source": "https://example.com",
    }


def test_layers_of_extensions_are_not_the_base_s(exported: Layout) -> None:
    image = put_right(
        exported,
        run_image=RUN,
        run_image_digest=RUN_DIGEST,
        mirrors=("mirror.example/run:1",),
        top_layer="sha256:lower",
    )
    assert label(image)["runImage"] == {
        "topLayer": "sha256:lower",
        "image": str(RUN),
        "reference": f"registry.example/run@{RUN_DIGEST}",
        "mirrors": ["mirror.example/run:1"],
    }


def test_what_stacks_left_behind_names_the_same_run_image(tmp_path: Path) -> None:
    metadata = {"stack": {"runImage": {"image": "/layout-repo/x", "mirrors": ["old"]}}}
    layout = make_image(
        tmp_path / "image", files={"a": ""}, labels={LIFECYCLE_METADATA: json.dumps(metadata)}
    )
    assert label(right(layout))["stack"] == {"runImage": {"image": str(RUN)}}
