"""`locald cache clear`."""

import os
import threading
import time
from pathlib import Path

import pytest

from lifecycle.caches import BuildCache, build_caches
from locald.cli.app import main
from oci.errors import StorageError
from oci.leases import Leases
from oci.locks import exclusive
from oci.platform import Platform


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "cache/builds"


def filled(caches: Path, project: Path, service: str | None = None) -> BuildCache:
    """A cache with 100 kB, and a folder that is read-only as Go's module cache is."""
    project.mkdir(exist_ok=True)
    cache = BuildCache.locate(
        caches,
        project=project.name,
        app_dir=project,
        service=service,
        platform=Platform.of_host(),
        distro="debian",
        exec_env="production",
    )
    cache.prepare()
    (cache.build / "mod/pkg").mkdir(parents=True)
    (cache.build / "mod/pkg/file").write_bytes(os.urandom(100_000))
    (cache.lifecycle / "committed").mkdir()
    (cache.build / "mod/pkg").chmod(0o555)
    (cache.build / "mod").chmod(0o555)
    return cache


def is_empty(cache: BuildCache) -> bool:
    return not list(cache.build.iterdir()) and not list(cache.lifecycle.iterdir())


def test_one_project_with_all_its_services(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, api = filled(caches, tmp_path / "shop"), filled(caches, tmp_path / "shop", "api")
    other = filled(caches, tmp_path / "other")
    assert main(["cache", "clear", str(tmp_path / "shop")]) == 0
    out, err = capsys.readouterr()
    freed, words = out.split(" ", 1)
    assert (words, int(freed) >= 200_000) == ("bytes freed\n", True)
    assert "Cleared the cache of shop (api)" in err
    assert is_empty(shop)
    assert is_empty(api)
    assert not is_empty(other)


def test_the_current_folder_is_the_default(
    caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled(caches, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    assert main(["cache", "clear"]) == 0
    assert is_empty(cache)


def test_all_means_downloads_and_unpacked_buildpacks_too(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("shop", "other"):
        filled(caches, tmp_path / name)
    (caches / "no-cache/folder").mkdir(parents=True)
    downloads, modules = tmp_path / "cache/downloads", tmp_path / "cache/modules"
    for folder in (downloads / "files", downloads / "urls", downloads / "locks"):
        folder.mkdir(parents=True)
    (downloads / "files/abc").write_bytes(b"x" * 5000)
    (downloads / "urls/key.json").touch()
    (downloads / "locks/key.lock").touch()
    for name in ("free", "mounted"):
        (modules / "tree" / name).mkdir(parents=True)
        (modules / "tree" / name / "bin").touch()
    leases = Leases()
    leases.take(modules / "tree/mounted")
    assert main(["cache", "clear", "--all"]) == 0
    out, err = capsys.readouterr()
    assert int(out.split()[0]) >= 205_000
    assert "Kept modules/mounted: a build uses it" in err
    left = [path for path in (tmp_path / "cache").rglob("*") if not path.is_dir()]
    assert left == [modules / "tree/mounted/bin"]
    assert not list(caches.iterdir())
    leases.release()
    assert main(["cache", "clear", "--all"]) == 0
    assert not list((modules / "tree").iterdir())


def test_a_chosen_folder_of_caches_is_listed_and_pruned(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = tmp_path / "chosen"
    cache = filled(chosen, tmp_path / "shop")
    (chosen / "no-cache").mkdir()
    mine = filled(caches, tmp_path / "shop")
    flags = ["--cache", str(chosen)]
    assert main(["cache", "ls", *flags]) == 0
    assert capsys.readouterr().out.count("shop ") == 1
    assert main(["cache", "prune", *flags]) == 2
    assert "--older-than" in capsys.readouterr().err
    assert main(["cache", "prune", *flags, "--older-than", "1d"]) == 0
    assert main(["cache", "prune", *flags, "--keep", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "0 bytes freed"
    assert not cache.root.exists()
    assert (chosen / "no-cache").is_dir()
    assert not is_empty(mine)
    assert main(["cache", "ls", str(tmp_path), *flags]) == 2
    assert main(["cache", "prune", "--cache", str(tmp_path / "no"), "--keep", "0"]) == 2


def test_a_project_that_is_gone_can_be_named(caches: Path, tmp_path: Path) -> None:
    cache = filled(caches, tmp_path / "shop")
    (tmp_path / "shop").rmdir()
    assert main(["cache", "clear", str(tmp_path / "shop")]) == 0
    assert is_empty(cache)


def test_nothing_to_clear_is_fine(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "clear", str(tmp_path)]) == 0
    assert main(["cache", "clear", "--all"]) == 0
    assert capsys.readouterr().out == "0 bytes freed\n0 bytes freed\n"


def test_a_path_that_was_never_there(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "clear", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["cache", "clear", str(tmp_path), "--all"]) == 2


def test_it_waits_for_a_build_and_says_so(
    caches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = filled(caches, tmp_path / "shop")
    held, release = threading.Event(), threading.Event()

    def build() -> None:
        with exclusive(cache.lock, what="the cache"):
            held.set()
            release.wait(timeout=10)

    builder = threading.Thread(target=build)
    builder.start()
    assert held.wait(timeout=10)
    threading.Timer(2.0, release.set).start()  # far longer than the command needs to get there
    started = time.monotonic()
    assert main(["cache", "clear", "--all"]) == 0
    builder.join()
    assert time.monotonic() - started >= 1.0
    assert "waiting: another locald is using the cache of shop" in capsys.readouterr().err


def test_what_stays_is_named(caches: Path, tmp_path: Path) -> None:
    cache = filled(caches, tmp_path / "shop")
    with pytest.raises(StorageError, match="belong to another user"):
        cache.clear(remove=lambda _: None)
    cache.clear()
    assert is_empty(cache)


def test_content_that_was_on_its_way_in_goes_too(caches: Path, tmp_path: Path) -> None:
    cache = filled(caches, tmp_path / "shop")
    (cache.root / "incoming/build/new").mkdir(parents=True)
    cache.clear()
    assert is_empty(cache)
    assert not (cache.root / "incoming").exists()


def test_a_file_with_two_names_counts_once(caches: Path, tmp_path: Path) -> None:
    cache = filled(caches, tmp_path / "shop")
    before = cache.size_bytes()
    (cache.lifecycle / "again").hardlink_to(cache.build / "mod/pkg/file")
    assert cache.size_bytes() - before < 50_000
    assert [found.identity for found in build_caches(caches)] == [cache.identity]
