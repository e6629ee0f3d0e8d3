"""Caches as blobs and back; blobs of strangers."""

import gzip
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.cache_document import CacheManifest, decode, difference
from lifecycle.cache_metadata import COMMITTED, METADATA
from lifecycle.cache_packing import PackedCache, forget_others, pack, read_state, unpack
from lifecycle.caches import BuildCache
from oci.digest import Digest
from oci.errors import ImageError
from oci.layout import Layout
from oci.tree_untar import TreeLimits
from tests.support.build_caches import (
    commit_layers,
    filled,
    layer_tar,
    locate,
    raw_tar,
    state_of,
)

Json = dict[str, Any]


def read(packed: PackedCache) -> CacheManifest:
    return decode(packed.image.manifest, packed.image.config_bytes, origin="the image")


def take(cache: BuildCache, packed: PackedCache, manifest: CacheManifest | None = None) -> None:
    with cache.replacement() as staged:
        unpack(
            manifest or read(packed), packed.layout, into=staged, origin="the image",
            limits=TreeLimits(),
        )  # fmt: skip


def test_a_cache_comes_back_byte_for_byte(tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    take(theirs, pack(ours))
    assert state_of(theirs) == state_of(ours)


def test_each_layer_is_a_blob_of_its_own_and_the_build_folder_one_more(tmp_path: Path) -> None:
    packed = pack(filled(tmp_path))
    assert [part.kind for part in read(packed).document.parts] == ["layer", "layer", "build"]
    assert packed.layout.missing_layers(packed.image) == ()


def test_the_same_content_gives_the_same_blobs_on_every_machine(tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), locate(tmp_path / "theirs")
    first = pack(ours)
    take(theirs, first)
    assert pack(theirs).image.layer_digests == first.image.layer_digests


def test_a_change_gives_new_blobs_for_what_changed(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    before = pack(cache)
    commit_layers(cache, layer_tar({"deps/a": b"one"}), layer_tar({"deps/b": b"changed"}))
    after = pack(cache)
    assert len(set(after.image.layer_digests) - set(before.image.layer_digests)) == 1
    assert len(after.image.layer_digests) == 3


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    before = pack(cache)
    blobs = {path: path.stat().st_mtime_ns for path in _blobs(before.layout)}
    pack(cache)
    assert {path: path.stat().st_mtime_ns for path in blobs} == blobs


def test_blobs_of_the_past_are_deleted(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    pack(cache)
    (cache.build / "target/deep/data").write_text("new")
    packed = pack(cache)
    (packed.layout.path / "blobs/sha256/.layer-killed").touch()
    forget_others(packed.layout, packed.image)
    assert len(list(_blobs(packed.layout))) == 3 + 2
    assert packed.layout.missing_layers(packed.layout.read()) == ()


def test_a_cached_layer_that_is_damaged_is_left_out(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    layer = next((cache.lifecycle / COMMITTED).glob("*.tar"))
    layer.write_bytes(layer.read_bytes()[:100])
    assert len(pack(cache).image.layer_digests) == 2


def test_nothing_outside_the_cache_is_packed(tmp_path: Path) -> None:
    cache = locate(tmp_path / "caches")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("do not tell")
    committed = cache.lifecycle / COMMITTED
    committed.mkdir()
    (committed / f"sha256:{'0' * 64}.tar").symlink_to(secret / "key")
    (committed / METADATA).symlink_to(secret / "key")
    (cache.build / "out").symlink_to(secret)
    packed = pack(cache)
    for path in _blobs(packed.layout):
        data = path.read_bytes()
        assert b"do not tell" not in (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    committed.rename(tmp_path / "elsewhere")
    committed.symlink_to(tmp_path / "elsewhere")
    assert [part.kind for part in read(pack(cache)).document.parts] == ["build"]


def test_a_state_that_cannot_be_read_costs_packing_again(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    before = pack(cache)
    (cache.image / "state.json").write_bytes(b"\0")
    assert pack(cache).image.layer_digests == before.image.layer_digests
    assert read_state(cache.image).packed


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layer_tar({"x": b""}, root="/etc"), "outside of /layers"),
        (layer_tar({"../../etc/x": b""}), "outside of /layers"),
        (layer_tar({"x": b""}, root="/layersx"), "outside of /layers"),
        (raw_tar(("/layers/a/hard", tarfile.LNKTYPE, "/etc/passwd")), "outside of /layers"),
        (raw_tar(("/layers/a/dev", tarfile.BLKTYPE, "")), "a device"),
        (
            raw_tar(
                ("/layers/a/out", tarfile.SYMTYPE, "/cache"),
                ("/layers/a/out/committed", tarfile.REGTYPE, b"x"),
            ),
            "writes through a link",
        ),
        (
            raw_tar(
                ("/layers/a/out", tarfile.SYMTYPE, "/etc/passwd"),
                ("/layers/a/out", tarfile.REGTYPE, b"x"),
            ),
            "writes through a link",
        ),
        (layer_tar({"x": b"1" * 999})[:700], "damaged"),
        (b"no archive at all", "cannot be read"),
    ],
)
def test_layers_that_would_act_elsewhere_are_refused(
    tmp_path: Path, layer: bytes, message: str
) -> None:
    ours, theirs = locate(tmp_path / "ours"), filled(tmp_path / "theirs")
    commit_layers(ours, layer)
    before = state_of(theirs)
    with pytest.raises(ImageError, match=message):
        take(theirs, pack(ours))
    assert state_of(theirs) == before
    assert not (theirs.root / "incoming.partial").exists()


def _blobs(layout: Layout) -> list[Path]:
    return [path for path in (layout.path / "blobs/sha256").iterdir() if path.name[0] != "."]


def _damage(packed: PackedCache, number: int, data: bytes) -> None:
    packed.layout.blob_path(packed.image.layer_digests[number]).write_bytes(data)


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", gzip.compress(b"x" * 999), gzip.compress(b"x" * 999)[:20]]
)
@pytest.mark.parametrize("number", [0, 2])
def test_a_blob_that_is_not_what_was_promised_is_refused(
    tmp_path: Path, data: bytes, number: int
) -> None:
    theirs = filled(tmp_path / "theirs")
    before = state_of(theirs)
    packed = pack(filled(tmp_path / "ours"))
    _damage(packed, number, data)
    with pytest.raises(ImageError, match=r"damaged|larger than|cannot be read"):
        take(theirs, packed)
    assert state_of(theirs) == before


def test_a_blob_that_swells_is_stopped_at_its_promised_size(tmp_path: Path) -> None:
    packed = pack(filled(tmp_path / "ours"))
    _damage(packed, 0, gzip.compress(bytes(50 << 20)))
    theirs = locate(tmp_path / "theirs")
    with pytest.raises(ImageError, match="larger than"):
        take(theirs, packed)


def edited(packed: PackedCache, edit: Callable[[Json], None]) -> CacheManifest:
    config = msgspec.json.decode(packed.image.config_bytes)
    edit(config)
    return decode(packed.image.manifest, msgspec.json.encode(config), origin="the image")


def _set(**values: object) -> Callable[[Json], None]:
    return lambda config: config["cache"].update(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set(version=2), "another version"),
        (_set(parts=[]), "contradict"),
        (_set(metadata="[1]"), "metadata cannot be read"),
        (_set(metadata="{}" + " " * (2 << 20)), "too large"),
        (_set(ancestors=["x"] * 51), "too large"),
        (_set(identity={}), "cannot be read"),
        (_set(parts=[{"kind": "layer", "size_bytes": -1}]), "cannot be read"),
        (lambda config: config.pop("cache"), "cannot be read"),
        (lambda config: config.update(rootfs={"diff_ids": ["sha256:x"] * 3}), "not a sha256"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(
    tmp_path: Path, edit: Callable[[Json], None], message: str
) -> None:
    packed = pack(filled(tmp_path))
    with pytest.raises(ImageError, match=message):
        edited(packed, edit)


def test_the_same_layer_twice_is_refused(tmp_path: Path) -> None:
    packed = pack(filled(tmp_path / "ours"))
    one = read(packed)
    doubled = CacheManifest(
        manifest=msgspec.structs.replace(one.manifest, layers=one.manifest.layers[:1] * 2),
        document=msgspec.structs.replace(one.document, parts=one.document.parts[:1] * 2),
        diff_ids=one.diff_ids[:1] * 2,
    )
    with pytest.raises(ImageError, match="twice"):
        take(locate(tmp_path / "theirs"), packed, doubled)


def test_an_image_that_is_no_cache_is_told_apart(tmp_path: Path) -> None:
    packed = pack(filled(tmp_path))
    other = msgspec.structs.replace(packed.image.manifest.config, media_type="application/x")
    manifest = msgspec.structs.replace(packed.image.manifest, config=other)
    with pytest.raises(ImageError, match="no build cache"):
        decode(manifest, packed.image.config_bytes, origin="the image")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distro": "ubuntu 24.04"}, "distribution ubuntu 24.04 instead of debian 12"),
        ({"exec_env": "test"}, "execution environment test instead of production"),
        ({"service": "api"}, "service api instead of none"),
        ({"project": "other", "app_dir": None}, ""),
    ],
)
def test_caches_of_other_builds_are_told_apart(
    tmp_path: Path, change: Mapping[str, object], said: str
) -> None:
    theirs, ours = locate(tmp_path, **change).identity, locate(tmp_path).identity
    assert difference(theirs, ours) == said


def test_a_pulled_cache_says_nothing_of_where_it_was(tmp_path: Path) -> None:
    packed = pack(filled(tmp_path))
    assert os.fsencode("/home/dev") not in packed.image.config_bytes
    assert Digest.of(packed.image.config_bytes) == packed.image.manifest.config.parsed_digest()
