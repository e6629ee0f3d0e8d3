"""Image documents: what is read from them, and what is refused."""

import json

import pytest

from oci.errors import ImageError
from oci.image import (
    MAX_LAYERS,
    MAX_MANIFEST_BYTES,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    DescriptorPlatform,
    ImageConfig,
    Index,
    decode_config,
    decode_index,
    decode_manifest,
    select_manifest,
)
from oci.platform import Platform
from tests.support.images import describe, encode

CONFIG = describe(b"{}", "application/vnd.oci.image.config.v1+json")
LAYER = describe(b"layer", OCI_LAYER_GZIP)


def test_a_manifest_is_read_with_or_without_its_media_type() -> None:
    plain = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
    manifest = decode_manifest(encode(plain), origin="app")
    assert manifest.media_type == ""
    assert manifest.layers[0].digest == LAYER["digest"]
    typed = decode_manifest(encode({**plain, "mediaType": OCI_MANIFEST}), origin="app")
    assert typed.media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\0" * 100,
        b"[" * 100_000,
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 1, "fsLayers": []}',
        encode({"schemaVersion": 2, "config": {**CONFIG, "size": -1}}),
        encode({"schemaVersion": 2, "config": {**CONFIG, "size": "3"}}),
        encode({"schemaVersion": 2, "config": CONFIG, "layers": [{**LAYER, "size": -1}]}),
        encode({"schemaVersion": 2, "config": CONFIG, "layers": {}}),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_origin(document: bytes) -> None:
    with pytest.raises(ImageError, match="app: the manifest cannot be read"):
        decode_manifest(document, origin="app")


def test_too_large_a_manifest_and_too_many_layers_are_refused() -> None:
    with pytest.raises(ImageError, match="larger than"):
        decode_manifest(b" " * (MAX_MANIFEST_BYTES + 1), origin="app")
    layers = [LAYER] * (MAX_LAYERS + 1)
    with pytest.raises(ImageError, match="more than 512 layers"):
        decode_manifest(
            encode({"schemaVersion": 2, "config": CONFIG, "layers": layers}), origin="app"
        )


def test_a_malformed_digest_is_refused_where_it_is_used() -> None:
    descriptor = Descriptor(media_type="x", digest="sha256:../../x", size=1)
    with pytest.raises(ImageError, match="not a sha256 digest"):
        descriptor.parsed_digest()


def test_a_configuration_tells_environment_labels_and_platform() -> None:
    config = decode_config(
        json.dumps(
            {
                "os": "linux",
                "architecture": "arm",
                "variant": "v7",
                "config": {"Env": ["A=1", "B=x=y", "C", "D="], "Labels": {"k": "v"}},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
                "something": "new",
            }
        ).encode(),
        origin="app",
    )
    assert config.config.environment == {"A": "1", "B": "x=y", "C": "", "D": ""}
    assert config.labels == {"k": "v"}
    assert config.platform == Platform("linux", "arm", "v7")
    assert config.rootfs.diff_ids == ("sha256:1",)


def test_nulls_and_absent_keys_mean_empty() -> None:
    config = decode_config(
        b'{"config":{"Env":null,"Labels":null,"Entrypoint":null,"Cmd":null},"history":null}',
        origin="app",
    )
    assert config.labels == {}
    assert config.config.environment == {}
    assert ImageConfig().labels == {}


@pytest.mark.parametrize("document", [b"[" * 100_000, b'{"config": 3}', b'{"os": null}'])
def test_what_is_no_configuration_is_refused(document: bytes) -> None:
    with pytest.raises(ImageError, match="app: the image configuration cannot be read"):
        decode_config(document, origin="app")


def test_an_index_without_a_media_type_is_an_oci_index() -> None:
    index = decode_index(b'{"schemaVersion":2,"manifests":[]}', origin="app")
    assert index == Index()


def offer(digit: str, os: str, architecture: str, variant: str = "") -> Descriptor:
    return Descriptor(
        media_type=OCI_MANIFEST,
        digest=f"sha256:{digit * 64}",
        size=1,
        platform=DescriptorPlatform(os, architecture, variant),
    )


OFFERS = Index(
    manifests=(
        offer("0", "unknown", "unknown"),
        offer("1", "windows", "amd64"),
        offer("2", "linux", "amd64"),
        offer("3", "linux", "arm64", "v8"),
        offer("4", "linux", "arm", "v6"),
        offer("5", "linux", "arm", "v7"),
    )
)


@pytest.mark.parametrize(
    ("platform", "digit"),
    [
        ("linux/amd64", "2"),
        ("linux/arm64", "3"),
        ("linux/arm/v6", "4"),
        ("linux/arm/v7", "5"),
        ("linux/amd64/v2", "2"),
    ],
)
def test_the_image_of_a_platform_is_chosen(platform: str, digit: str) -> None:
    chosen = select_manifest(OFFERS, Platform.parse(platform), origin="app")
    assert chosen.digest == f"sha256:{digit * 64}"


def test_a_missing_platform_is_told_with_what_there_is() -> None:
    with pytest.raises(ImageError, match="app has no image for linux/s390x") as caught:
        select_manifest(OFFERS, Platform.parse("linux/s390x"), origin="app")
    assert caught.value.hint.startswith("it is made for: windows/amd64, linux/amd64")
    assert "unknown" not in caught.value.hint
    with pytest.raises(ImageError) as caught:
        select_manifest(Index(), Platform.parse("linux/s390x"), origin="app")
    assert caught.value.hint == "it is made for: nothing"
