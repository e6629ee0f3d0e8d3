"""What tests of publishing share: a registry with the run image, machines that never built."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locald.paths import DATA_VARIABLE
from oci.image import decode_manifest
from oci.layout import Layout
from oci.publication import Publication
from oci.registry_clients import RegistryClients
from tests.support.e2e import BUILDER, Installation
from tests.support.registry import Registry, serve_registry
from tests.support.tls import make_tls

RUN = BUILDER.replace("/builder", "/run")


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, installation: Installation
) -> Iterator[Registry]:
    """With a private CA, a password, and the run image."""
    folder = tmp_path_factory.mktemp("publish")
    tls = make_tls(folder / "tls")
    with serve_registry(folder / "registry", tls=tls, login=True) as server:
        push_run_image(installation, server)
        yield server


def push_run_image(installation: Installation, registry: Registry) -> None:
    """The embedded run image, as base/run:1."""
    push(installation.layout_of(RUN), registry, "base/run:1")


def push(image: Layout, registry: Registry, name: str) -> None:
    """An image into the registry."""
    with RegistryClients(registry.registries) as clients:
        publication = Publication(
            image.read(), image, [registry.reference(name)], clients=clients, origins={}
        )
        publication.push()
        publication.tag()


def cert_dir(registry: Registry) -> tuple[str, str]:
    """How to trust its CA, without its password."""
    assert registry.tls is not None
    return ("--cert-dir", str(registry.tls.cert_dir))


@pytest.fixture
def machine(installation: Installation, tmp_path: Path) -> Installation:
    return other_machine(installation, tmp_path / "machine")


def other_machine(installation: Installation, folder: Path) -> Installation:
    """A machine that has the builder, unpacked, and nothing else: no run image, no image built."""
    store = folder / "data/store"
    for name in ("blobs/sha256", "images", "refs/localhost/locald", "tmp", "locks"):
        (store / name).mkdir(parents=True, exist_ok=True)
    if (store / "rootfs").is_dir():  # made by locald, and empty
        (store / "rootfs").rmdir()
    (store / "rootfs").symlink_to(installation.paths.store / "rootfs")
    builder = installation.layout_of(BUILDER)
    image = builder.read()
    mine = Layout.create(store / "images" / image.digest.hex, blobs=store / "blobs")
    mine.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
    for digest in image.layer_digests:
        mine.blob_path(digest).symlink_to(builder.blob_path(digest))
    kept = "refs/localhost/locald/builder"
    shutil.copytree(installation.paths.store / kept, store / kept)
    variables = {DATA_VARIABLE: str(folder / "data"), "LOCALD_CACHE_DIR": str(folder / "cache")}
    paths = replace(installation.paths, data_dir=folder / "data", cache_dir=folder / "cache")
    return replace(installation.with_environment(**variables), paths=paths)


def publish_flags(registry: Registry, *names: str) -> tuple[str, ...]:
    """The run image's name, the image's names, and how to reach the registry."""
    tags = [word for name in names for word in ("--tag", f"{registry.host}/{name}")]
    run_image = ("--run-image", f"{registry.host}/base/run:1")
    return ("--builder", BUILDER, *run_image, *tags, "--publish", *registry.flags)


def publish(machine: Installation, app: Path, registry: Registry, *names: str, **more: Any) -> Any:
    """A build whose only output is the registry; its report."""
    report = machine.outputs.parent / "report.json"
    words = more.get("flags", ())
    argv = ("build", str(app), *publish_flags(registry, *names), "--report", str(report), *words)
    result = machine.locald.run(*argv)
    assert result.code == 0, result.output
    return json.loads(report.read_text()), result


def layers_of(registry: Registry, name: str) -> dict[str, int]:
    """Digest → size of the layers that an image in the registry lists."""
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(name))
    assert found is not None
    manifest = decode_manifest(found.data, origin=name)
    return {layer.digest: layer.size for layer in manifest.layers}


def fetched(registry: Registry, since: int, digests: set[str]) -> int:
    """How many bytes of these blobs the registry has sent."""
    return sum(
        asked.sent_bytes
        for asked in registry.asked()[since:]
        if asked.method == "GET" and asked.path.rpartition("/")[2].partition("?")[0] in digests
    )
