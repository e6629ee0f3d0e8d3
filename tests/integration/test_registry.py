"""Images of a real registry, through the real skopeo."""

import json
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import ImageError, RegistryError
from oci.image import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import Command, CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import describe, encode, make_image
from tests.support.registry import Registry, registry

__all__ = ["registry"]

HOST = Platform.of_host()
OTHER = Platform("linux", "s390x" if HOST.architecture != "s390x" else "amd64")


@pytest.fixture
def skopeo(registry: Registry) -> Skopeo:
    return Skopeo(CommandRunner(), registry.registries)


@pytest.fixture
def store(tmp_path: Path, skopeo: Skopeo) -> ImageStore:
    return ImageStore(tmp_path / "store", skopeo)


def push(skopeo: Skopeo, layout: Layout, registry: Registry, name: str) -> None:
    source = ImageLocation.layout(layout.path, "latest")
    skopeo.copy(source, registry.location(name), platform=HOST)


def reference(registry: Registry, name: str) -> Reference:
    return registry.reference(name)


def blob_requests(registry: Registry, layout: Layout) -> list[str]:
    """The downloads of the image's layers."""
    return [
        request
        for request in registry.requests()
        for digest in layout.read().layer_digests
        if request.startswith("GET") and request.endswith(f"/blobs/{digest}")
    ]


def test_an_image_is_fetched_whole_and_found_again(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"}, labels={"k": "v"})
    push(skopeo, made, registry, "team/app:1")
    name = reference(registry, "team/app:1")
    fetched = store.fetch(registry.location("team/app:1"), HOST, reference=name)
    assert fetched.digest == made.read().digest
    assert fetched.complete
    found = store.find(name, HOST)
    assert found is not None
    assert (found.digest, found.source) == (fetched.digest, registry.location("team/app:1"))


def test_layers_that_are_here_are_not_fetched_again(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "one", files={"a": "1"})
    push(skopeo, made, registry, "one:1")
    push(skopeo, make_image(tmp_path / "two", files={"a": "1"}, labels={"b": "2"}), registry, "t:2")
    for name in ("one:1", "t:2"):
        store.fetch(registry.location(name), HOST, reference=reference(registry, name))
    assert len(blob_requests(registry, made)) == 1


def test_folders_in_the_place_of_blobs_make_way(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    push(skopeo, make_image(tmp_path / "image", files={"a": "folders"}), registry, "folders:1")
    location, name = registry.location("folders:1"), reference(registry, "folders:1")
    for path in sorted((tmp_path / "image/blobs/sha256").iterdir()):
        blob = store.blobs / "sha256" / path.name
        blob.unlink(missing_ok=True)
        (blob / "in the way").mkdir(parents=True)
        assert store.fetch(location, HOST, reference=name).complete, path
        assert blob.read_bytes() == path.read_bytes()


def test_a_sparse_fetch_brings_documents_only_and_can_be_completed(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"})
    push(skopeo, made, registry, "team/run:1")
    name = reference(registry, "team/run:1")
    sparse = store.fetch_sparse(registry.location("team/run:1"), HOST, reference=name)
    assert blob_requests(registry, made) == []
    assert not sparse.complete
    assert sparse.digest == sparse.source_digest == made.read().digest
    store.complete(sparse, HOST)
    assert sparse.complete
    found = store.find(name, HOST)
    assert found is not None
    assert found.complete


def test_completion_takes_the_content_that_was_seen_not_what_the_tag_means_now(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    push(skopeo, make_image(tmp_path / "old", files={"a": "old"}), registry, "run:1")
    name = reference(registry, "run:1")
    sparse = store.fetch_sparse(registry.location("run:1"), HOST, reference=name)
    push(skopeo, make_image(tmp_path / "new", files={"a": "new"}), registry, "run:1")
    store.complete(sparse, HOST)
    assert sparse.complete
    found = store.find(name, HOST)
    assert found is not None
    assert found.digest == sparse.digest


def test_docker_s_media_types_are_read_too(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"})
    target = registry.location("docker:1")
    CommandRunner().run(
        Command(
            argv=(
                "skopeo", "copy", "--format", "v2s2", "--dest-tls-verify=false",
                f"oci:{made.path}:latest", str(target),
            )
        )
    )  # fmt: skip
    remote = skopeo.remote_image(target, platform=HOST)
    assert remote.media_type == DOCKER_MANIFEST
    whole = store.fetch(target, HOST, reference=reference(registry, "docker:whole"))
    assert whole.image.media_type == OCI_MANIFEST  # converted, and its digest at the source known
    assert (whole.digest != remote.digest, whole.source_digest) == (True, remote.digest)
    sparse = store.fetch_sparse(target, HOST, reference=reference(registry, "docker:1"))
    assert sparse.digest == remote.digest
    store.complete(sparse, HOST)
    assert sparse.complete


def test_the_platform_s_image_is_taken_from_an_index(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    layout = Layout.create(tmp_path / "both")
    entries = []
    for platform in (OTHER, HOST):
        part = make_image(
            tmp_path / platform.architecture, files={"a": str(platform)}, platform=platform
        ).read()
        for blob in (tmp_path / platform.architecture / "blobs/sha256").iterdir():
            layout.write_blob(blob.read_bytes())
        entries.append(
            {
                **describe(part.manifest_bytes, OCI_MANIFEST),
                "platform": {"os": "linux", "architecture": platform.architecture},
            }
        )
    index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    (layout.path / "index.json").write_bytes(index)
    layout.write_blob(index)
    (layout.path / "index.json").write_bytes(
        encode({"schemaVersion": 2, "manifests": [describe(index, OCI_INDEX)]})
    )
    target = registry.location("both:1")
    CommandRunner().run(
        Command(
            argv=(
                "skopeo", "copy", "--all", "--dest-tls-verify=false",
                f"oci:{layout.path}", str(target),
            )
        )
    )  # fmt: skip
    expected = Digest.parse(str(entries[1]["digest"]))
    assert skopeo.remote_image(target, platform=HOST).digest == expected
    name = reference(registry, "both:1")
    assert store.fetch(target, HOST, reference=name).digest == expected
    assert store.fetch_sparse(target, OTHER, reference=name).config.platform == OTHER
    assert store.find(name, HOST) is not None
    with pytest.raises(ImageError, match="has no image for linux/riscv64"):
        skopeo.remote_image(target, platform=Platform("linux", "riscv64"))


def test_an_image_of_another_platform_is_refused(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    push(skopeo, make_image(tmp_path / "i", files={"a": "1"}, platform=OTHER), registry, "o:1")
    name = reference(registry, "o:1")
    with pytest.raises(ImageError, match=f"is made for {OTHER}, not for {HOST}"):
        store.fetch(registry.location("o:1"), HOST, reference=name)
    with pytest.raises(ImageError, match=f"is made for {OTHER}, not for {HOST}"):
        store.fetch_sparse(registry.location("o:1"), HOST, reference=name)
    assert store.find(name, HOST) is None


def test_a_missing_image_is_named(registry: Registry, skopeo: Skopeo) -> None:
    with pytest.raises(RegistryError, match="team/gone:1 does not exist in its registry"):
        skopeo.remote_image(registry.location("team/gone:1"), platform=HOST)


def test_a_registry_without_tls_is_told_as_such(registry: Registry) -> None:
    careful = Skopeo(CommandRunner())
    with pytest.raises(RegistryError, match="speaks HTTP, not HTTPS"):
        careful.remote_image(registry.location("team/app:1"), platform=HOST)


def test_a_registry_that_is_not_there_is_told_as_such(registry: Registry, skopeo: Skopeo) -> None:
    nowhere = ImageLocation.registry(Reference.parse("127.0.0.1:1/app"))
    with pytest.raises(RegistryError, match=r"the registry 127\.0\.0\.1:1 cannot be reached"):
        skopeo.remote_image(nowhere, platform=HOST)


def test_a_layer_that_the_registry_lost_leaves_nothing_behind(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"})
    push(skopeo, made, registry, "lost:1")
    digest = made.read().layer_digests[0].hex
    for data in registry.data.rglob(f"blobs/sha256/{digest[:2]}/{digest}/data"):
        data.unlink()
    name = reference(registry, "lost:1")
    with pytest.raises(RegistryError):
        store.fetch(registry.location("lost:1"), HOST, reference=name)
    assert store.find(name, HOST) is None
    assert list((store.root / "tmp").iterdir()) == []


def test_a_layer_that_the_registry_changed_is_refused(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "image", files={"a": "1"})
    push(skopeo, made, registry, "bad:1")
    digest = made.read().layer_digests[0].hex
    for data in registry.data.rglob(f"blobs/sha256/{digest[:2]}/{digest}/data"):
        content = data.read_bytes()
        data.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RegistryError):
        store.fetch(registry.location("bad:1"), HOST, reference=None)
    assert not (store.blobs / "sha256" / digest).exists()


def test_names_in_the_store_survive_as_json(
    registry: Registry, skopeo: Skopeo, store: ImageStore, tmp_path: Path
) -> None:
    push(skopeo, make_image(tmp_path / "image", files={"a": "1"}), registry, "team/app:1")
    name = reference(registry, "team/app:1")
    store.fetch(registry.location("team/app:1"), HOST, reference=name)
    ((listed, path),) = store.names()
    assert listed == f"{registry.host}/team/app:1"
    assert json.loads(path.read_text())["source"] == f"docker://{registry.host}/team/app:1"
