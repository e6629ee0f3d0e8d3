"""What the lifecycle notes of its cache, and the SBOM that it fails for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.cache_content import missing_layers
from lifecycle.cache_metadata import COMMITTED, METADATA, drop_damaged_sbom
from lifecycle.caches import BuildCache
from oci.digest import Digest
from tests.support.build_caches import commit_layers, layer_tar, locate

SBOM = layer_tar({"sbom/cache/x.json": b"{}"}, root="/layers")
NAME = f"{Digest.of(SBOM)}.tar"


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    cache = locate(tmp_path)
    commit_layers(cache, layer_tar({"deps/a": b"one"}), SBOM)
    note(cache, {"sbom": {"sha": str(Digest.of(SBOM))}, "buildpacks": None})
    return cache


def note(cache: BuildCache, metadata: object) -> None:
    (cache.lifecycle / COMMITTED / METADATA).write_text(json.dumps(metadata))


def test_a_whole_one_stays(cache: BuildCache) -> None:
    assert not drop_damaged_sbom(cache.lifecycle)
    assert not missing_layers(cache.lifecycle / COMMITTED)
    assert (cache.lifecycle / COMMITTED / NAME).exists()


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")),
    ],
)
def test_with_a_damaged_one_all_layers_go(
    cache: BuildCache, damage: Callable[[Path], object]
) -> None:
    damage(cache.lifecycle / COMMITTED / NAME)
    (cache.build / "tool").touch()
    assert drop_damaged_sbom(cache.lifecycle)
    assert not (cache.lifecycle / COMMITTED).exists()
    assert (cache.build / "tool").exists()
    assert not drop_damaged_sbom(cache.lifecycle)


@pytest.mark.parametrize("metadata", [{}, {"sbom": {}}, {"sbom": {"sha": ""}}, [], None, "x"])
def test_metadata_without_one_is_left_to_the_lifecycle(cache: BuildCache, metadata: object) -> None:
    note(cache, metadata)
    assert not drop_damaged_sbom(cache.lifecycle)
    assert (cache.lifecycle / COMMITTED).exists()


def test_layers_that_are_named_and_not_there_are_missing(cache: BuildCache) -> None:
    lost = f"sha256:{'0' * 64}"
    layers = {"a": {"sha": lost, "cache": True, "data": None}, "b": {"sha": str(Digest.of(SBOM))}}
    note(cache, {"buildpacks": [{"key": "x", "layers": layers}, {"key": "y", "layers": None}]})
    assert missing_layers(cache.lifecycle / COMMITTED) == {lost}
