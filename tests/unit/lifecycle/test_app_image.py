"""Whose layer is whose in an image that buildpacks made."""

import json
from pathlib import Path

import pytest

from lifecycle.app_image import app_layers, reusable, sbom_layer
from lifecycle.labels import LIFECYCLE_METADATA
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer

NAMES = ("base1", "base2", "modules", "app1", "app2", "launcher", "config", "sbom", "stranger")
LAYERS = {name: tar_layer({name: name}) for name in NAMES}


def sha(name: str) -> str:
    return str(Digest.of(LAYERS[name]))


METADATA = {
    "runImage": {"topLayer": sha("base2")},
    "app": [{"sha": sha("app1")}, {"sha": sha("app2")}],
    "launcher": {"sha": sha("launcher")},
    "config": {"sha": sha("config")},
    "sbom": {"sha": sha("sbom")},
    "buildpacks": [
        {
            "key": "acme/node",
            "version": "1.0",
            "layers": {"modules": {"sha": sha("modules")}, "cached": {"cache": True}},
        }
    ],
}


def stored(layout: Layout) -> StoredImage:
    image = layout.read()
    return StoredImage(
        reference=Reference.parse("shop:1", default_registry="localhost"),
        layout=layout,
        image=image,
        source=None,
        source_digest=image.digest,
    )


@pytest.fixture
def image(tmp_path: Path) -> StoredImage:
    labels = {LIFECYCLE_METADATA: json.dumps(METADATA)}
    return stored(make_image(tmp_path / "app", layers=list(LAYERS.values()), labels=labels))


def test_every_layer_has_its_owner(image: StoredImage) -> None:
    layers = app_layers(image)
    assert [(layer.owner, layer.name) for layer in layers] == [
        ("run image", ""),
        ("run image", ""),
        ("acme/node@1.0", "modules"),
        ("application", ""),
        ("application", "slice 2"),
        ("lifecycle", "launcher"),
        ("lifecycle", "config"),
        ("lifecycle", "sbom"),
        ("", ""),
    ]
    assert [layer.diff_id for layer in layers] == [sha(name) for name in NAMES]
    assert [layer.descriptor for layer in layers] == list(image.image.manifest.layers)


def test_an_unknown_top_layer_means_no_base(tmp_path: Path) -> None:
    labels = {LIFECYCLE_METADATA: json.dumps({**METADATA, "runImage": {"topLayer": "sha256:x"}})}
    other = stored(make_image(tmp_path / "x", layers=list(LAYERS.values()), labels=labels))
    assert [layer.owner for layer in app_layers(other)][:2] == ["", ""]


def test_the_bill_of_materials_is_found_as_it_is_stored(image: StoredImage) -> None:
    assert sbom_layer(image) == image.image.layer_digests[NAMES.index("sbom")]


def test_an_image_that_buildpacks_did_not_make(tmp_path: Path) -> None:
    plain = stored(make_image(tmp_path / "plain", files={"a": "1"}))
    with pytest.raises(ImageError, match="localhost/shop:1 was not built by buildpacks"):
        app_layers(plain)
    assert sbom_layer(plain) is None
    assert not reusable(plain)


@pytest.mark.parametrize(
    ("missing", "answer"),
    [((), True), (("base1", "base2"), True), (("modules",), False), (("sbom",), False)],
)
def test_an_image_is_reused_when_all_but_its_base_is_here(
    image: StoredImage, missing: tuple[str, ...], answer: bool
) -> None:
    for name in missing:
        image.layout.blob_path(image.image.layer_digests[NAMES.index(name)]).unlink()
    assert reusable(image) is answer


@pytest.mark.parametrize(("name", "answer"), [("modules", False), ("base1", True)])
def test_a_layer_of_another_size_is_not_reused(image: StoredImage, name: str, answer: bool) -> None:
    path = image.layout.blob_path(image.image.layer_digests[NAMES.index(name)])
    path.write_bytes(path.read_bytes()[:-1])
    assert reusable(image) is answer
    assert not image.complete


def test_the_history_tells_which_extension_made_a_layer(tmp_path: Path) -> None:
    history = [{"created_by": "base"}, {"created_by": "meta", "empty_layer": True}]
    history += [{"created_by": "Layer: 'run.Dockerfile', Created by extension: acme/apt@1.2"}]
    metadata = {"runImage": {"topLayer": sha("base1")}}
    for entries, owner in ((history, ("acme/apt@1.2", "run.Dockerfile")), (history[:2], ("", ""))):
        image = stored(
            make_image(
                tmp_path / f"image{len(entries)}",
                layers=[LAYERS["base1"], LAYERS["stranger"]],
                labels={LIFECYCLE_METADATA: json.dumps(metadata)},
                config={"history": entries},
            )
        )
        base, extension = app_layers(image)
        assert base.owner == "run image"
        assert (extension.owner, extension.name) == owner
