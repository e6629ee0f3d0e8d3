"""Damage in caches: found by digests, removed, never where a build is at work."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.cache_metadata import COMMITTED, METADATA
from lifecycle.cache_packing import layout_folder, pack
from lifecycle.caches import BuildCache
from locald.care.cache_damage import CacheVerification, CacheVerifier
from locald.care.repair import Outcome
from locald.paths import Paths
from oci.digest import Digest
from oci.leases import Leases
from oci.locks import exclusive
from oci.removal import remove_tree
from tests.support.build_caches import filled
from tests.support.own_paths import paths_below


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return paths_below(tmp_path)


def verify(paths: Paths, *, repair: bool = True) -> CacheVerification:
    return CacheVerifier(paths, remove_tree, tell=lambda _: None).verify(repair=repair)


def layer(cache: BuildCache) -> Path:
    return min((cache.lifecycle / COMMITTED).glob("*.tar"))


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def name_a_lost_layer(cache: BuildCache) -> None:
    metadata = {"sbom": {"sha": f"sha256:{'0' * 64}"}, "buildpacks": None}
    (cache.lifecycle / COMMITTED / METADATA).write_text(json.dumps(metadata))


def damage_a_part(cache: BuildCache) -> None:
    pack(cache)
    zero(min((layout_folder(cache.image) / "blobs/sha256").iterdir()))


def replace_a_folder(cache: BuildCache) -> None:
    remove_tree(cache.build)
    cache.build.symlink_to("/etc")


def test_whole_caches_are_as_they_should_be(paths: Paths, tmp_path: Path) -> None:
    pack(filled(paths.build_caches, app_dir=tmp_path))
    again = filled(paths.build_caches, project="again", app_dir=tmp_path)
    (again.lifecycle / "staging").mkdir()  # an export that was killed
    (again.lifecycle / "staging/reused.tar").hardlink_to(layer(again))
    found = verify(paths)
    assert (found.caches, found.found, found.in_use) == (2, (), ())


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda cache: zero(layer(cache)), "cached layer"),
        (lambda cache: layer(cache).unlink(), "1 of its layers are gone"),
        (name_a_lost_layer, "1 of its layers are gone"),
        (lambda cache: zero(cache.lifecycle / COMMITTED / METADATA), "metadata cannot be read"),
        (damage_a_part, "1 packed parts are damaged"),
        (replace_a_folder, "is no folder"),
    ],
)
def test_a_damaged_cache_is_told_and_removed(
    paths: Paths, tmp_path: Path, damage: Callable[[BuildCache], None], problem: str
) -> None:
    cache = filled(paths.build_caches, app_dir=tmp_path)
    other = filled(paths.build_caches, project="other", app_dir=tmp_path)
    damage(cache)
    (told,) = verify(paths, repair=False).found
    assert (told.what, told.outcome) == ("shop", Outcome.FOUND)
    assert problem in told.problem
    assert cache.root.is_dir()
    (mended,) = verify(paths).found
    assert mended.outcome is Outcome.REPAIRED
    assert not cache.root.exists()
    assert other.root.is_dir()
    assert Path("/etc/passwd").exists()
    assert verify(paths).found == ()


def test_what_a_build_uses_is_left(paths: Paths, tmp_path: Path) -> None:
    cache = filled(paths.build_caches, app_dir=tmp_path)
    zero(layer(cache))
    with exclusive(cache.lock, what="it"):
        found = verify(paths)
    assert (found.found, found.in_use) == ((), ("the cache of shop",))
    assert cache.root.is_dir()


def test_a_damaged_download_goes_unless_a_build_uses_it(paths: Paths) -> None:
    files = paths.cache_dir / "downloads/files"
    files.mkdir(parents=True)
    good, bad = files / Digest.of(b"good").hex, files / Digest.of(b"bad").hex
    for path in (good, bad):
        path.write_bytes(b"good")
    leases = Leases()
    leases.take(bad)
    assert [one.outcome for one in verify(paths).found] == [Outcome.FOUND]
    leases.release()
    assert [one.outcome for one in verify(paths).found] == [Outcome.REPAIRED]
    assert list(files.iterdir()) == [good]
