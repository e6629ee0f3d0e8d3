"""The documents of an image before and after Dockerfiles are applied to it."""

import gzip
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from lifecycle.ca_bundle import BUNDLE_PATHS
from lifecycle.extended_image import (
    Certificates,
    NewLayers,
    bundle_in_layers,
    compose,
    image_user,
    is_root,
    seed_layers,
    write_base,
)
from lifecycle.labels import REBASABLE
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import ContainerConfig, ImageConfig
from oci.layout import Layout
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer

BUNDLE = str(BUNDLE_PATHS[0].relative_to("/"))


def stored(layout: Layout) -> StoredImage:
    image = layout.read()
    return StoredImage(
        reference=None, layout=layout, image=image, source=None, source_digest=image.digest
    )


@pytest.fixture
def base(tmp_path: Path) -> StoredImage:
    config: dict[str, Any] = {
        "config": {"User": "5:6", "Labels": {"a": "b"}, "OnBuild": ["RUN --mount=type=bind x"]},
        "history": [{"created_by": "one"}, {"created_by": "meta", "empty_layer": True}],
    }
    return stored(make_image(tmp_path / "stored", files={"bin/a": "a"}, config=config))


@pytest.mark.parametrize(
    ("user", "parts"), [("5:6", ("5", "6")), ("cnb", ("cnb", "")), ("", ("", ""))]
)
def test_the_user_that_dockerfiles_are_told(user: str, parts: tuple[str, str]) -> None:
    assert image_user(ImageConfig(config=ContainerConfig(user=user))) == parts


def test_root() -> None:
    assert [is_root(user) for user in ("0", "root", "1", "")] == [True, True, False, False]


def test_the_bundle_of_the_highest_layer(tmp_path: Path) -> None:
    layers = [tar_layer({BUNDLE: "old"}), tar_layer({"x": ""}), tar_layer({BUNDLE: "new"})]
    image = stored(make_image(tmp_path / "i", layers=layers))
    assert bundle_in_layers(image) == Certificates(path=BUNDLE_PATHS[0], content=b"new")
    assert bundle_in_layers(stored(make_image(tmp_path / "none", files={"x": ""}))) is None


def test_what_dockerfiles_are_applied_to(base: StoredImage, tmp_path: Path) -> None:
    certificates = Certificates(path=PurePosixPath("/etc/x.crt"), content=b"certificate")
    layout = write_base(tmp_path / "base", base, certificates)
    image = layout.read()
    assert image.config.rootfs.diff_ids[:-1] == base.config.rootfs.diff_ids
    assert not layout.missing_layers(image)
    assert layout.blob_path(image.layer_digests[0]).is_symlink()
    with tarfile.open(layout.blob_path(image.layer_digests[-1])) as archive:
        assert archive.getnames() == ["etc/x.crt"]
    assert "OnBuild" not in json.loads(image.config_bytes)["config"]
    history = [entry.created_by for entry in image.config.history or ()]
    assert history == ["one", "meta", "certificate authorities"]


def test_a_history_at_odds_with_the_layers_is_made_anew(tmp_path: Path) -> None:
    image = stored(make_image(tmp_path / "i", files={"a": ""}, config={"history": []}))
    made = write_base(tmp_path / "base", image, None).read()
    assert [entry.created_by for entry in made.config.history or ()] == ["the base image"]


@pytest.mark.parametrize("rebasable", [True, False, None])
def test_the_result_stands_on_the_base_itself(
    base: StoredImage, tmp_path: Path, rebasable: bool | None
) -> None:
    given = write_base(
        tmp_path / "base", base, Certificates(path=BUNDLE_PATHS[0], content=b"certificate")
    )
    built = tmp_path / "built"
    seeds = seed_layers(built, given)
    assert len(seeds) == 2
    new = tar_layer({"new": "file"})
    _as_buildah_writes(built, given, new)
    made = compose(
        Layout(built),
        base,
        (NewLayers(extension="x@1", file_name="run.Dockerfile", count=1),),
        given_layers=len(seeds),
        created=0,
        rebasable=rebasable,
    )
    assert made.layer_digests[:1] == base.image.layer_digests
    assert made.manifest.layers[0] == base.image.manifest.layers[0]
    assert made.config.rootfs.diff_ids == (
        *base.config.rootfs.diff_ids,
        str(Digest.of(new)),
    )
    assert [entry.created_by for entry in made.config.history or ()] == [
        "one",
        "meta",
        "Layer: 'run.Dockerfile', Created by extension: x@1",
    ]
    expected = {} if rebasable is None else {REBASABLE: "true" if rebasable else "false"}
    assert made.config.labels == {"a": "b", **expected}


def test_layers_that_nobody_told_of(base: StoredImage, tmp_path: Path) -> None:
    given = write_base(tmp_path / "base", base, None)
    seeds = seed_layers(tmp_path / "built", given)
    _as_buildah_writes(tmp_path / "built", given, tar_layer({"new": ""}))
    with pytest.raises(ImageError, match="other layers than it told of"):
        compose(
            Layout(tmp_path / "built"),
            base,
            (),
            given_layers=len(seeds),
            created=0,
            rebasable=None,
        )


def _as_buildah_writes(folder: Path, given: Layout, new: bytes) -> None:
    """Layers that were there already keep the digests and sizes of the empty files."""
    image = given.read()
    blobs = folder / "blobs/sha256"
    compressed = gzip.compress(new)
    (blobs / Digest.of(compressed).hex).write_bytes(compressed)
    config = json.loads(image.config_bytes)
    config["rootfs"]["diff_ids"].append(str(Digest.of(new)))
    config_bytes = json.dumps(config).encode()
    tar = "application/vnd.oci.image.layer.v1.tar"
    layers = [
        {"mediaType": tar, "digest": diff_id, "size": 0} for diff_id in image.config.rootfs.diff_ids
    ]
    layers.append(
        {
            "mediaType": f"{tar}+gzip",
            "digest": str(Digest.of(compressed)),
            "size": len(compressed),
        }
    )
    manifest = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(Digest.of(config_bytes)),
            "size": len(config_bytes),
        },
        "layers": layers,
    }
    layout = Layout(folder)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    layout.write(json.dumps(manifest).encode(), config_bytes)
