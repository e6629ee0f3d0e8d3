"""Which caches go, and that none does that a build uses."""

import os
import sys
import time
from pathlib import Path

import pytest

from locald.care.cache_list import all_caches, listed_cache
from locald.care.cache_prune import CachePruner, CacheRules, Candidate, choose
from locald.paths import Paths
from oci.leases import Leases
from oci.process import Command, CommandRunner
from oci.removal import remove_tree
from tests.support.build_caches import filled
from tests.support.own_paths import paths_below

DAY = 86400.0
HOLDER = """
import sys
from pathlib import Path
from oci.locks import exclusive
with exclusive(Path(sys.argv[1]), what="it"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return paths_below(tmp_path)


def prune(paths: Paths, *, dry_run: bool = False, **rules: float | int | None) -> list[str]:
    """The names of what went."""
    made = CacheRules(now=time.time(), **rules)  # type: ignore[arg-type]
    report = CachePruner(paths, remove_tree).prune(made, dry_run=dry_run)
    return [one.name for one in report.pruned]


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def candidate(name: str, *, used: float, why: str = "", size: int = 10) -> Candidate:
    return Candidate(
        path=Path(name), name=name, size_bytes=size, used=used, why=why, delete=lambda: True
    )


def test_a_budget_takes_the_oldest_until_the_rest_fits() -> None:
    candidates = [candidate(name, used=used) for name, used in (("b", 2), ("a", 1), ("c", 3))]
    assert [one.name for one, _ in choose(candidates, 20)] == ["a"]
    assert [one.name for one, _ in choose(candidates, 0)] == ["a", "b", "c"]
    assert choose(candidates, 30) == ()
    assert choose(candidates, None) == ()


def test_what_goes_anyway_counts_for_the_budget() -> None:
    candidates = [candidate("gone", used=9, why="gone"), candidate("a", used=1)]
    assert [one.name for one, _ in choose(candidates, 10)] == ["gone"]


def test_the_cache_of_a_project_that_is_gone_goes(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    here = filled(paths.build_caches, app_dir=tmp_path / "app")
    gone = filled(paths.build_caches, project="gone", app_dir=tmp_path / "deleted")
    assert prune(paths, dry_run=True) == ["the cache of gone"]
    assert gone.root.is_dir()
    assert prune(paths) == ["the cache of gone"]
    assert not gone.root.exists()
    assert here.root.is_dir()


def test_age_counts_from_the_last_build(paths: Paths, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        filled(paths.build_caches, project=name, app_dir=tmp_path / name).note_use("main")
    old = next(c for c in all_caches(paths) if c.identity.project == "old")
    age(old.root / "branch", 31)
    assert prune(paths) == []
    assert prune(paths, unused_seconds=30 * DAY) == ["the cache of old"]
    assert [c.identity.project for c in all_caches(paths)] == ["new"]


def test_a_cache_that_a_build_uses_stays(paths: Paths, tmp_path: Path) -> None:
    cache = filled(paths.build_caches, app_dir=tmp_path / "deleted")
    holder = CommandRunner().start(Command(argv=(sys.executable, "-c", HOLDER, str(cache.lock))))
    assert holder.read_line() == "held"
    rules = CacheRules(now=time.time())
    with holder:
        report = CachePruner(paths, remove_tree).prune(rules, dry_run=False)
    assert report.pruned == ()
    assert report.in_use == ("the cache of shop",)
    assert (cache.build / "target").is_dir()
    assert prune(paths) == ["the cache of shop"]


def test_what_does_not_say_whose_it_is_goes(paths: Paths) -> None:
    (paths.build_caches / "torn/lifecycle").mkdir(parents=True)
    (paths.build_caches / "torn/project.json").write_bytes(b"")
    (paths.build_caches / "file").touch()
    assert set(prune(paths)) == {"torn", "file"}
    assert not list(paths.build_caches.iterdir())


def test_downloads_and_modules_go_by_age_unless_used(paths: Paths) -> None:
    files, tree = paths.cache_dir / "downloads/files", paths.cache_dir / "modules/tree"
    for folder in (files, tree):
        folder.mkdir(parents=True)
    (files / "old").write_bytes(b"x" * 5000)
    (files / "new").write_bytes(b"x" * 5000)
    for name in ("old", "used"):
        (tree / name / "bin").mkdir(parents=True)
        age(tree / name, 31)
    age(files / "old", 31)
    leases = Leases()
    leases.take(tree / "used")
    assert sorted(prune(paths)) == ["downloads/old", "modules/old"]
    leases.release()
    assert prune(paths) == ["modules/used"]
    assert [path.name for path in files.iterdir()] == ["new"]


def test_the_size_is_what_the_disk_has(paths: Paths, tmp_path: Path) -> None:
    cache = filled(paths.build_caches, app_dir=tmp_path)
    before = listed_cache(cache).size_bytes
    (cache.build / "big").write_bytes(os.urandom(1 << 20))
    os.link(cache.build / "big", cache.build / "again")
    with (cache.build / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    grown = listed_cache(cache).size_bytes - before
    assert 1 << 20 <= grown < (1 << 20) + 65536
