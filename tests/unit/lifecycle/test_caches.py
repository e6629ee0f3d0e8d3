"""Caches: whose they are, what a killed build leaves, and forgetting them."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifecycle.caches import BuildCache, build_caches, unknown_folders
from oci.errors import StorageError
from oci.platform import Platform

PLAIN: dict[str, Any] = {
    "project": "shop",
    "app_dir": Path("/home/dev/shop"),
    "service": None,
    "platform": Platform("linux", "amd64"),
    "distro": "debian 12",
    "exec_env": "production",
}


def locate(caches: Path, **changes: object) -> BuildCache:
    return BuildCache.locate(caches, **{**PLAIN, **changes})


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    located = locate(tmp_path / "caches")
    located.prepare()
    return located


@pytest.mark.parametrize(
    "change",
    [
        {"project": "shop2"},
        {"app_dir": Path("/home/dev/other")},
        {"service": "api"},
        {"platform": Platform("linux", "arm64")},
        {"distro": "ubuntu 24.04"},
        {"exec_env": "test"},
        {"project": "sho", "app_dir": Path("p/home/dev/shop")},
    ],
)
def test_builds_that_differ_in_anything_share_no_cache(
    tmp_path: Path, change: dict[str, object]
) -> None:
    assert locate(tmp_path, **change).root != locate(tmp_path).root


def test_the_same_build_finds_the_same_cache_again(tmp_path: Path) -> None:
    assert locate(tmp_path).root == locate(tmp_path).root


@pytest.mark.parametrize("project", ["../../etc", "a/b", "", "\x1b[31m", "x" * 500, "日本語"])
def test_any_project_gets_one_plain_folder(tmp_path: Path, project: str) -> None:
    cache = locate(tmp_path / "caches", project=project)
    cache.prepare()
    assert cache.root.parent == tmp_path / "caches"
    assert cache.root.resolve() == cache.root
    assert "\x1b" not in cache.root.name


def test_a_folder_whose_name_is_no_text_has_a_cache_of_its_own(tmp_path: Path) -> None:
    odd = locate(tmp_path, app_dir=Path(os.fsdecode(b"/home/dev/\xff")))
    odd.prepare()
    other = locate(tmp_path, app_dir=Path(os.fsdecode(b"/home/dev/\xfe")))
    assert odd.root != other.root


def test_prepared_folders_belong_to_the_user_alone(cache: BuildCache) -> None:
    for folder in (cache.root, cache.lifecycle, cache.build):
        assert folder.stat().st_mode & 0o777 == 0o700
    cache.prepare()


def test_caches_can_be_listed_with_what_they_belong_to(cache: BuildCache) -> None:
    (cache.root.parent / "no-cache").mkdir()
    (cache.root.parent / "damaged").mkdir()
    (cache.root.parent / "damaged/project.json").write_bytes(b"\0")
    assert build_caches(cache.root.parent) == (cache,)
    assert build_caches(cache.root / "nowhere") == ()


def test_an_export_killed_between_its_renames_loses_nothing(cache: BuildCache) -> None:
    backup = cache.lifecycle / "committed-backup"
    backup.mkdir()
    (backup / "layer.tar").write_text("content")
    cache.prepare()
    assert (cache.lifecycle / "committed/layer.tar").read_text() == "content"
    assert not backup.exists()


def test_an_export_killed_after_its_renames_keeps_the_newer(cache: BuildCache) -> None:
    for name in ("committed", "committed-backup"):
        (cache.lifecycle / name).mkdir()
        (cache.lifecycle / name / "which").write_text(name)
    cache.prepare()
    assert (cache.lifecycle / "committed/which").read_text() == "committed"


def test_files_that_a_killed_build_did_not_rename_go(cache: BuildCache) -> None:
    cache.prepare()
    for name in (".a1b2c3d4", ".branch.a1b2c3d4.partial"):
        (cache.root / name).write_text("half")
    cache.prepare()
    assert not list(cache.root.glob(".*"))
    assert cache.root.joinpath("project.json").is_file()


def test_clearing_forgets_everything_whatever_the_modes(cache: BuildCache) -> None:
    module = cache.build / "go/pkg/mod"
    (module / "deeper").mkdir(parents=True)
    (module / "deeper/file").write_text("x")
    (cache.build / "link").symlink_to("/nowhere")
    (cache.lifecycle / "committed").mkdir()
    (cache.lifecycle / "committed/sha").write_text("x")
    for folder, mode in (("deeper", 0o000), ("", 0o555), ("..", 0o000)):
        (module / folder).resolve().chmod(mode)
    cache.clear()
    assert list(cache.build.iterdir()) == []
    assert list(cache.lifecycle.iterdir()) == []


def test_clearing_follows_no_link(cache: BuildCache, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o500)
    (cache.build / "link").symlink_to(precious)
    cache.clear()
    assert precious.stat().st_mode & 0o777 == 0o500


def test_what_cannot_be_deleted_is_told(cache: BuildCache) -> None:
    with pytest.raises(StorageError, match="cannot be deleted"):
        cache.clear(remove=lambda _: None)


def test_the_size_counts_what_lies_on_the_disk(cache: BuildCache) -> None:
    empty = cache.size_bytes()
    (cache.build / "file").write_bytes(b"x" * 100_000)
    os.link(cache.build / "file", cache.build / "again")
    (cache.build / "link").symlink_to("/usr")
    assert 100_000 <= cache.size_bytes() - empty < 150_000


def test_a_cache_with_nothing_for_a_build_is_empty(cache: BuildCache) -> None:
    (cache.build / "folder").mkdir()
    (cache.lifecycle / "committed").mkdir()
    (cache.lifecycle / "committed/io.buildpacks.lifecycle.cache.metadata").write_text("{}")
    assert cache.empty
    (cache.lifecycle / "committed" / f"sha256:{'0' * 64}.tar").touch()
    assert not cache.empty


def test_a_file_of_a_compiler_is_something(cache: BuildCache) -> None:
    (cache.build / "a/b").mkdir(parents=True)
    (cache.build / "a/b/file").touch()
    assert not cache.empty


def fill(folder: Path, text: str) -> None:
    for name in ("lifecycle", "build", "image"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "which").write_text(text)


def which(cache: BuildCache) -> set[str]:
    return {(cache.root / n / "which").read_text() for n in ("lifecycle", "build", "image")}


def test_a_replacement_takes_the_place_of_everything(cache: BuildCache) -> None:
    fill(cache.root, "old")
    with cache.replacement() as staged:
        fill(staged, "new")
    assert which(cache) == {"new"}
    assert {path.name for path in cache.root.iterdir()} == {
        "lifecycle", "build", "image", "project.json",
    }  # fmt: skip


def test_a_replacement_that_fails_changes_nothing(cache: BuildCache) -> None:
    fill(cache.root, "old")

    def fail() -> None:
        with cache.replacement() as staged:
            fill(staged, "new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert which(cache) == {"old"}
    assert not (cache.root / "incoming.partial").exists()


def test_a_replacement_killed_before_its_rename_leaves_the_old(cache: BuildCache) -> None:
    fill(cache.root, "old")
    (cache.root / "incoming.partial").mkdir()
    fill(cache.root / "incoming.partial", "new")
    cache.prepare()
    assert which(cache) == {"old"}
    assert not (cache.root / "incoming.partial").exists()


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
@pytest.mark.parametrize("between", [False, True])
def test_a_replacement_killed_after_its_rename_is_finished(
    cache: BuildCache, moved: int, between: bool
) -> None:
    fill(cache.root, "old")
    incoming, outgoing = cache.root / "incoming", cache.root / "outgoing"
    incoming.mkdir()
    outgoing.mkdir()
    fill(incoming, "new")
    names = ("lifecycle", "build", "image")
    for name in names[:moved]:
        (cache.root / name).rename(outgoing / name)
        (incoming / name).rename(cache.root / name)
    if between and moved < 3:  # the old one is gone, the new one not yet there
        (cache.root / names[moved]).rename(outgoing / names[moved])
    cache.prepare()
    assert which(cache) == {"new"}
    assert not incoming.exists()
    assert not outgoing.exists()


@pytest.mark.parametrize(
    "name", ["lifecycle", "build", "image", "incoming", "lock", "project.json"]
)
def test_a_cache_that_a_project_brings_along_leads_nowhere(
    cache: BuildCache, tmp_path: Path, name: str
) -> None:
    cache.clear()
    for path in (cache.lifecycle, cache.build):
        path.rmdir()
    (cache.root / "project.json").unlink()
    (cache.root / name).symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match=r"is no folder|has a link"):
        cache.prepare()
    assert not (tmp_path / "precious").exists()


def test_a_build_leaves_its_branch_and_the_time(cache: BuildCache) -> None:
    assert cache.branch == ""
    cache.note_use("feature/x")
    assert cache.branch == "feature/x"
    os.utime(cache.root / "branch", (0, 0))
    assert cache.used == 0
    cache.note_use("feature/x")
    assert time.time() - cache.used < 60
    cache.note_use("")
    assert cache.branch == ""


def test_a_strange_branch_file_is_no_branch(cache: BuildCache, tmp_path: Path) -> None:
    (cache.root / "branch").symlink_to("/etc/passwd")
    assert cache.branch == ""
    (cache.root / "branch").unlink()
    (cache.root / "branch").write_bytes(b"x" * 10_000)
    assert cache.branch == ""
    (cache.root / "branch").write_bytes(b"\xff\x1b[31m")
    assert cache.branch == "\N{REPLACEMENT CHARACTER}\x1b[31m"


def test_a_deleted_cache_leaves_nothing(cache: BuildCache) -> None:
    cache.note_use("main")
    cache.lock.touch()
    (cache.build / "deep/folder").mkdir(parents=True)
    (cache.build / "deep").chmod(0)
    (cache.root / "link").symlink_to(cache.root.parent)
    cache.delete()
    assert cache.root.parent.is_dir()
    assert not list(cache.root.parent.iterdir())


def test_a_cache_that_cannot_be_deleted_is_told(cache: BuildCache) -> None:
    with pytest.raises(StorageError, match="cannot be deleted") as caught:
        cache.delete(remove=lambda _: None)
    assert str(cache.root) in caught.value.hint
    cache.delete()


def test_a_link_in_a_cache_s_place_is_not_followed(cache: BuildCache) -> None:
    link = BuildCache(root=cache.root.with_name("link"), identity=cache.identity)
    link.root.symlink_to(cache.root)
    with pytest.raises(StorageError, match="no folder"):
        link.delete()
    assert cache.root.is_dir()


def test_what_does_not_say_whose_it_is_is_listed_apart(cache: BuildCache) -> None:
    torn = cache.root.with_name("torn")
    torn.mkdir()
    (torn / "project.json").write_bytes(b"\xff{")
    assert [one.root for one in unknown_folders(cache.root.parent)] == [torn]
    assert [one.root for one in build_caches(cache.root.parent)] == [cache.root]


@pytest.mark.corpus
@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.write_bytes(b'{"x":' + b"[" * 60_000),
    ],
    ids=["a FIFO", "a link", "depth"],
)
def test_a_cache_that_somebody_brought_along_holds_nobody_up(
    cache: BuildCache, make: Callable[[Path], object]
) -> None:
    strange = cache.root.with_name("strange")
    strange.mkdir()
    make(strange / "project.json")
    assert [one.root for one in build_caches(cache.root.parent)] == [cache.root]


def test_a_folder_in_the_place_of_the_identity_makes_way(cache: BuildCache) -> None:
    path = cache.root / "project.json"
    data = path.read_bytes()
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    cache.prepare()
    assert path.read_bytes() == data
    path.unlink()
    path.mkdir()
    cache.delete()
    assert not cache.root.exists()


def test_a_project_may_be_named_after_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    located = locate(tmp_path / "caches", project="latin-\udce9")
    located.prepare()
    assert located.identity.project == "latin-\\xe9"
    assert located.root.name.isascii()
    (kept,) = build_caches(tmp_path / "caches")
    assert kept.identity == located.identity
