"""Wrong bits and wrong lengths on the way from a registry: asked for again, else told."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oci.digest import Digest
from oci.errors import ImageError
from oci.image import OCI_INDEX
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.corpus.made_image import MadeImage
from tests.support.raw_registry import serve_raw
from tests.support.registry_faults import IMPATIENT

pytestmark = pytest.mark.corpus

HOST = Platform.of_host()
NAME = Reference.parse("localhost/damaged:1")


@dataclass(frozen=True, kw_only=True)
class Served:
    """An index of one image. parts: by name, how their requests end. digest: of the manifest."""

    layout: Path
    parts: dict[str, str]
    digest: Digest


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    layout = MadeImage().write(tmp_path_factory.mktemp("served") / "image")
    (manifest,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    digest = Digest.parse(manifest["digest"])
    blobs = layout / "blobs/sha256"
    document = json.loads((blobs / digest.hex).read_bytes())
    platform = {"os": HOST.os, "architecture": HOST.architecture}
    index = _encoded(mediaType=OCI_INDEX, manifests=[{**manifest, "platform": platform}])
    (blobs / Digest.of(index).hex).write_bytes(index)
    top = {"mediaType": OCI_INDEX, "digest": str(Digest.of(index)), "size": len(index)}
    (layout / "index.json").write_bytes(_encoded(manifests=[top]))
    return Served(
        layout=layout,
        parts={
            "index": "/manifests/1",
            "manifest": f"/manifests/{digest}",
            "configuration": f"/blobs/{document['config']['digest']}",
            "layer": f"/blobs/{document['layers'][0]['digest']}",
        },
        digest=digest,
    )


def _encoded(**document: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **document}).encode()


def _flipped(seed: int) -> Callable[[bytes], tuple[int, bytes]]:
    def flip(body: bytes) -> tuple[int, bytes]:
        bit = random.Random(seed).randrange(len(body) * 8)
        data = bytearray(body)
        data[bit // 8] ^= 1 << (bit % 8)
        return len(data), bytes(data)

    return flip


DAMAGE: dict[str, Callable[[bytes], tuple[int, bytes]]] = {
    **{f"bit {seed}": _flipped(seed) for seed in range(3)},
    "the last bit": lambda body: (len(body), body[:-1] + bytes([body[-1] ^ 1])),
    "less than stated": lambda body: (len(body), body[:-7]),
    "less": lambda body: (len(body) - 7, body[:-7]),
    "more": lambda body: (len(body) + 7, body + b"1234567"),
}
SOME = ("bit 0", "the last bit", "less than stated", "more")
CASES = [
    *(("index", damage) for damage in DAMAGE),
    *((part, damage) for part in ("manifest", "configuration", "layer") for damage in SOME),
]


@pytest.mark.parametrize(("part", "damage"), CASES)
def test_what_is_damaged_once_is_asked_for_again_and_else_told(
    served: Served, tmp_path: Path, part: str, damage: str
) -> None:
    for times in (1, 1_000):
        left = times

        def spoil(path: str, body: bytes) -> tuple[int, bytes]:
            nonlocal left
            if left == 0 or not path.endswith(served.parts[part]):
                return len(body), body
            left -= 1
            return DAMAGE[damage](body)

        with serve_raw(served.layout, spoil=spoil) as registry:
            skopeo = Skopeo(CommandRunner(), registry.registries_with(IMPATIENT))
            store = ImageStore(tmp_path / str(times), skopeo)
            bring = store.fetch if part == "layer" else store.fetch_sparse
            if times == 1:
                assert bring(registry.location, HOST, reference=NAME).digest == served.digest
                assert left == 0
                continue
            with pytest.raises(ImageError) as caught:
                bring(registry.location, HOST, reference=NAME)
            assert registry.host in caught.value.message
            assert caught.value.hint
            assert store.find(NAME, HOST) is None


def test_an_image_that_is_named_by_its_digest_is_that_image(served: Served, tmp_path: Path) -> None:
    """Also where the other one is a good image, and nothing but its digest tells."""

    def other(path: str, body: bytes) -> tuple[int, bytes]:
        if path.endswith(str(served.digest)):
            body = body.replace(b"}", b" }", 1)
        return len(body), body

    with serve_raw(served.layout, spoil=other) as registry:
        skopeo = Skopeo(CommandRunner(), registry.registries_with(IMPATIENT))
        store = ImageStore(tmp_path / "store", skopeo)
        reference = registry.location.reference
        assert reference is not None
        pinned = type(registry.location).registry(reference.with_digest(served.digest))
        for bring in (store.fetch_sparse, store.fetch):
            with pytest.raises(ImageError, match="what came from the registry is damaged"):
                bring(pinned, HOST, reference=None)
