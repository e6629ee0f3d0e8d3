"""`locald cache clear`."""

import os
import threading
import time
from pathlib import Path

import pytest

from lifecycle.caches import BuildCache, build_caches
from locald.cli.app import main
from oci.errors import StorageError
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


def test_all(caches: Path, tmp_path: Path) -> None:
    both = filled(caches, tmp_path / "shop"), filled(caches, tmp_path / "other")
    (caches / "no-cache").mkdir()
    assert main(["cache", "clear", "--all"]) == 0
    assert all(map(is_empty, both))
    assert (caches / "no-cache").is_dir()


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


def test_a_file_with_two_names_counts_once(caches: Path, tmp_path: Path) -> None:
    cache = filled(caches, tmp_path / "shop")
    before = cache.size_bytes()
    (cache.lifecycle / "again").hardlink_to(cache.build / "mod/pkg/file")
    assert cache.size_bytes() - before < 50_000
    assert [found.identity for found in build_caches(caches)] == [cache.identity]
