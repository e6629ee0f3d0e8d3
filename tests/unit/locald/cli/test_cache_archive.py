"""`locald cache export` and `import`."""

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lifecycle.caches import BuildCache, build_caches
from locald.cli.app import main
from oci.platform import Platform
from tests.support.build_caches import filled, state_of

REPOSITORY = Path(__file__).parents[4]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALD_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "cache/builds"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "ours/shop"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The same project on what stands for another machine."""
    folder = tmp_path / "theirs/shop"
    folder.mkdir(parents=True)
    return folder


def cache_of(caches: Path, folder: Path | None, **changes: object) -> BuildCache:
    return filled(caches, **{"app_dir": folder, "platform": Platform.of_host(), **changes})


def run(*arguments: str | Path) -> int:
    return main(["cache", *map(str, arguments)])


def locald(
    *arguments: str | Path, stdin: bytes = b"", within: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*within, sys.executable, "-m", "locald", "cache", *map(str, arguments)],
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=60,
        check=False,
    )


def only(caches: Path, project: Path) -> BuildCache:
    (found,) = [c for c in build_caches(caches) if c.identity.app_dir == str(project)]
    return found


@pytest.mark.parametrize(
    ("name", "head"), [("c.tar", b"loca"), ("c.tgz", b"\x1f\x8b"), ("c.tar.gz", b"\x1f\x8b")]
)
def test_a_cache_goes_to_another_machine(
    caches: Path, shop: Path, checkout: Path, capsys: Capture, name: str, head: bytes
) -> None:
    ours = cache_of(caches, shop)
    file = shop / name
    assert run("export", file, shop) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}\n"
    assert f"Exported the cache of shop ({Platform.of_host()}, debian 12, production)" in err
    assert file.read_bytes().startswith(head)
    assert run("import", file, checkout) == 0
    out, err = capsys.readouterr()
    assert out == "1 imported\n"
    assert "Imported the cache of shop (" in err
    assert state_of(only(caches, checkout)) == state_of(ours)


def test_through_pipes_nothing_else_is_written(caches: Path, shop: Path, checkout: Path) -> None:
    ours = cache_of(caches, shop)
    written = locald("export", "-", shop)
    assert written.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(written.stdout)) as archive:
        assert archive.getnames()[0] == "locald-cache.json"
    taken = locald("import", "-", checkout, stdin=gzip.compress(written.stdout))
    assert (taken.returncode, taken.stdout) == (0, b"1 imported\n"), taken.stderr
    assert state_of(only(caches, checkout)) == state_of(ours)


def test_all_services_go_together_and_empty_caches_stay(
    caches: Path, shop: Path, capsys: Capture
) -> None:
    services = {name: cache_of(caches, shop, service=name) for name in ("web", "api")}
    cache_of(caches, shop, service="empty").clear()
    cache_of(caches, shop.parent, project="other")
    before = {name: state_of(cache) for name, cache in services.items()}
    (shop / "locald.toml").write_text(
        "[service.web]\nbuild = true\n[service.api]\nbuild = true\n[service.empty]\nbuild = true\n"
    )
    assert run("export", shop / "c.tar", shop) == 0
    for cache in services.values():
        cache.clear()
    capsys.readouterr()
    assert run("import", shop / "c.tar", shop) == 0
    assert capsys.readouterr().out == "2 imported\n"
    assert {name: state_of(cache) for name, cache in services.items()} == before


def test_caches_in_a_folder_of_their_own(
    caches: Path, shop: Path, checkout: Path, tmp_path: Path
) -> None:
    ours = cache_of(tmp_path / "chosen", None)
    assert run("export", tmp_path / "c.tar", "--cache", tmp_path / "chosen") == 0
    assert run("import", tmp_path / "c.tar", checkout, "--cache", tmp_path / "new") == 0
    (theirs,) = build_caches(tmp_path / "new")
    assert theirs.root.name == ours.root.name
    assert state_of(theirs) == state_of(ours)
    assert run("clear", "--cache", tmp_path / "new") == 0
    assert theirs.empty
    assert not ours.empty


def test_a_folder_that_the_project_names_belongs_to_it(caches: Path, shop: Path) -> None:
    (shop / "locald.toml").write_text('[service.web.build]\ncache = ".cache"\n')
    cache = cache_of(shop / ".cache", None, service="web")
    before = state_of(cache)
    assert run("export", shop / "c.tar", shop) == 0
    assert run("clear", shop) == 0
    assert cache.empty
    assert run("import", shop / "c.tar", shop) == 0
    assert state_of(cache) == before
    assert build_caches(caches) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"project": "blog"}, "has the cache of the project 'blog'"),
        ({"platform": Platform("linux", "s390x")}, "has caches for linux/s390x; builds here"),
        ({"service": "web"}, "has caches of the service web; this project builds the whole"),
    ],
)
def test_a_cache_of_something_else_needs_force(
    caches: Path,
    shop: Path,
    checkout: Path,
    capsys: Capture,
    changes: dict[str, object],
    message: str,
) -> None:
    ours = cache_of(caches, shop, **changes)
    assert run("export", shop / "c.tar", shop) == 0
    assert run("import", shop / "c.tar", checkout) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "--force" in err
    assert [c for c in build_caches(caches) if c.identity.app_dir == str(checkout)] == []
    assert run("import", shop / "c.tar", checkout, "--force") == 0
    assert state_of(only(caches, checkout)) == state_of(ours)


def test_a_damaged_file_changes_nothing(
    caches: Path, shop: Path, checkout: Path, capsys: Capture
) -> None:
    cache_of(caches, shop)
    theirs = cache_of(caches, checkout)
    (theirs.build / "mine").touch()
    before = state_of(theirs)
    assert run("export", shop / "c.tar", shop) == 0
    data = (shop / "c.tar").read_bytes()
    (shop / "c.tar").write_bytes(data[: len(data) // 2])
    capsys.readouterr()
    assert run("import", shop / "c.tar", checkout) == 4
    assert "c.tar" in capsys.readouterr().err
    assert state_of(theirs) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "c.zip"), "c.zip: it is told by its name what to write"),
        (("export", "folder.tar"), "folder.tar is a folder"),
        (("export", "nowhere/c.tar"), "there is no folder nowhere"),
        (("export", "c.tar"), "there is no cache of"),
        (("export", "c.tar", "nowhere"), "no such folder"),
        (("export", "c.tar", ".", "--cache", "."), "give PATH or --cache, not both"),
        (("export", "c.tar", "--cache", "nowhere"), "--cache: nowhere: no such folder"),
        (("import", "nowhere.tar"), "nowhere.tar cannot be read: No such file"),
        (("import", "folder.tar"), "folder.tar cannot be read: Is a directory"),
        (("import", "text.tar"), "text.tar"),
        (("import", "text.tar", "nowhere"), "nowhere: no such folder"),
        (("clear", "--all", "--cache", "."), "give --cache or --all, not both"),
    ],
)
def test_bad_input_gets_one_message(
    caches: Path,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(shop)
    (shop / "folder.tar").mkdir()
    (shop / "text.tar").write_text("text")
    assert run(*arguments) in (2, 4)
    err = capsys.readouterr().err
    assert message in err
    assert err.count("error:") == 1
    assert sorted(path.name for path in shop.iterdir()) == ["folder.tar", "text.tar"]


def test_an_export_that_fails_leaves_the_old_file(caches: Path, shop: Path) -> None:
    cache = cache_of(caches, shop)
    (cache.build / "large").write_bytes(os.urandom(100_000))
    (shop / "c.tar").write_text("the old one")
    limited = ("sh", "-c", 'ulimit -f 40; exec "$@"', "sh")
    result = locald("export", shop / "c.tar", shop, within=limited)
    assert result.returncode == 6
    assert b"c.tar cannot be written: File too large" in result.stderr
    assert (shop / "c.tar").read_text() == "the old one"
    assert [path.name for path in shop.iterdir()] == ["c.tar"]
