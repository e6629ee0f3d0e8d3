"""The forms that an image may have, and blobs that are not in the form they claim."""

import gzip
from typing import Any

from oci.image import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_LAYER_TAR,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from tests.corpus.image_case import ImageCase, Place
from tests.corpus.made_image import (
    CONTENT,
    MOTD,
    MadeImage,
    made_case,
    put,
    with_config,
    write_index,
)
from tests.support.images import encode, tar_layer
from tests.support.zstd import zstd_compress

_BLOB = gzip.compress(CONTENT, mtime=0)


def _nested(depth: int, *, kind: str = OCI_INDEX, platform: Platform | None = None) -> Any:
    """An image below that many indexes."""

    def make(place: Place) -> ImageLocation:
        layout = MadeImage().write(place.folder / "image")
        host = platform or Platform.of_host()
        offer = {"os": host.os, "architecture": host.architecture}
        manifest = put(layout, Layout(layout).read().manifest_bytes, OCI_MANIFEST)
        for _ in range(depth):
            index = {"schemaVersion": 2, "mediaType": kind,
                     "manifests": [{**manifest, "platform": offer}]}  # fmt: skip
            manifest = put(layout, encode(index), kind)
        write_index(layout, manifest)
        return ImageLocation.layout(layout, "latest")

    return make


_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def _docker(compressed: bytes, suffix: str) -> dict[str, Any]:
    return {
        "blob": compressed,
        "media_type": DOCKER_MANIFEST,
        "layer": {"mediaType": _DOCKER_LAYER + suffix},
        "edit_manifest": with_config(mediaType=_DOCKER_CONFIG),
    }


_ZSTD = zstd_compress(CONTENT)
_SKIPPED = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"table"
FORMS = (
    ImageCase(name="an index", make=_nested(1), holds=MOTD),
    ImageCase(name="an index of Docker's", make=_nested(1, kind=DOCKER_INDEX), holds=MOTD),
    ImageCase(name="two indexes", make=_nested(2), holds=MOTD),
    ImageCase(name="a hundred indexes", make=_nested(100), refused="nested too deeply"),
    ImageCase(name="an index for another platform",
              make=_nested(1, platform=Platform("linux", "m68k")), refused="has no image for"),
    made_case("Docker's schema 2", **_docker(_BLOB, ".gzip")),
    made_case("Docker's schema 2, not compressed", **_docker(CONTENT, "")),
    made_case("Docker's schema 2, compressed by zstd", **_docker(_ZSTD, ".zstd")),
    made_case("Docker's layers in image-spec's manifest",
          layer={"mediaType": f"{_DOCKER_LAYER}.gzip"}),
    made_case("a layer that is not compressed", blob=CONTENT, layer={"mediaType": OCI_LAYER_TAR}),
    made_case("a layer compressed by zstd", blob=_ZSTD, layer={"mediaType": OCI_LAYER_ZSTD}),
    made_case("a layer of several zstd frames, some of which are to be skipped",
          blob=_SKIPPED + zstd_compress(CONTENT[:700]) + _SKIPPED + zstd_compress(CONTENT[700:]),
          layer={"mediaType": OCI_LAYER_ZSTD}),
    made_case("a layer of two gzip members",
          blob=gzip.compress(CONTENT[:700]) + gzip.compress(CONTENT[700:])),
)  # fmt: skip

_ZEROS = tar_layer({"zeros": b"\0" * (6 << 20)})
_MANY = tar_layer({str(number): "" for number in range(3_001)})
_DAMAGED = "is damaged|does not hold what|data after its end|cannot be read"
BLOBS = (
    *(
        made_case(f"a layer whose gzip {how}", blob=blob, refused=_DAMAGED)
        for how, blob in (
            ("is cut off", _BLOB[:-20]),
            ("lost its last byte", _BLOB[:-1]),
            ("has a wrong sum", _BLOB[:-8] + b"\1\2\3\4" + _BLOB[-4:]),
            ("has a wrong length", _BLOB[:-4] + b"\1\2\3\4"),
            ("is followed by garbage", _BLOB + b"garbage"),
            ("is a tar archive", CONTENT),
            ("is only a header", _BLOB[:10]),
            ("is zstd", _ZSTD),
        )
    ),
    made_case("a layer whose gzip is followed by zeros", blob=_BLOB + b"\0" * 512,
          refused="cannot be unpacked"),
    *(
        made_case(f"a layer whose zstd {how}", blob=blob, layer={"mediaType": OCI_LAYER_ZSTD},
              refused=_DAMAGED)
        for how, blob in (
            ("is cut off", _ZSTD[:-10]),
            ("has a wrong sum", _ZSTD[:-4] + b"\1\2\3\4"),
            ("is followed by garbage", _ZSTD + b"garbage"),
            ("is gzip", _BLOB),
            ("is nothing", b"\x28\xb5\x2f\xfd"),
            ("wants a window of 4 GiB", b"\x28\xb5\x2f\xfd\x00\xb0" + b"\0" * 20),
        )
    ),
    made_case("a layer that is gzip and says it is not", blob=_BLOB,
          layer={"mediaType": OCI_LAYER_TAR}, refused=_DAMAGED),
    made_case("a bomb", content=_ZEROS, refused="larger than"),
    made_case("a bomb in zstd", content=_ZEROS, blob=zstd_compress(_ZEROS),
          layer={"mediaType": OCI_LAYER_ZSTD}, refused="larger than"),
    made_case("more files than an image may have", content=_MANY, refused="more than 3000 entries"),
    made_case("the same layer twice",
          edit_manifest=lambda m: m.update(layers=m["layers"] * 2),
          edit_config=lambda c: c["rootfs"].update(diff_ids=c["rootfs"]["diff_ids"] * 2)),
    ImageCase(
        name="no layers",
        make=lambda place: MadeImage(
            edit_manifest=lambda m: m.update(layers=[]),
            edit_config=lambda c: c["rootfs"].update(diff_ids=[]),
        ).location(place.folder / "image"),
    ),
)  # fmt: skip

CASES = (*FORMS, *BLOBS)
