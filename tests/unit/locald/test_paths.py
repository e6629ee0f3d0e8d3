import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from locald.paths import Paths
from oci.errors import StorageError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("XDG_", "LOCALD_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", "/home/ada")


def test_the_locald_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "d"))
    monkeypatch.setenv("LOCALD_CACHE_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("LOCALD_CONFIG_DIR", str(tmp_path / "f"))
    monkeypatch.setenv("XDG_DATA_HOME", "/elsewhere")
    paths = Paths.from_environment()
    assert paths.store == tmp_path / "d/store"
    assert paths.work == tmp_path / "d/work"
    assert paths.build_caches == tmp_path / "c/builds"
    assert paths.user_config == tmp_path / "f/config.toml"
    assert paths.logs == tmp_path / "d/state/log"


def test_the_xdg_folders_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    monkeypatch.setenv("LOCALD_DATA_DIR", "")
    paths = Paths.from_environment()
    assert paths.data_dir == Path("/home/ada/.local/share/locald")
    assert paths.cache_dir == Path("/fast/locald")
    assert paths.config_dir == Path("/home/ada/.config/locald")
    assert paths.logs == Path("/home/ada/.local/state/locald/log")


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_home_the_password_file_tells_or_the_variables_are_named(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    try:
        known = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        with pytest.raises(StorageError) as caught:
            Paths.from_environment()
        assert "LOCALD_DATA_DIR" in caught.value.hint
    else:
        assert Paths.from_environment().data_dir == Path(known, ".local/share/locald")


def test_a_relative_variable_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.from_environment({"LOCALD_DATA_DIR": "d"}).data_dir == tmp_path / "d"


def test_new_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "a/b")})
    before = os.umask(0)
    try:
        assert paths.ensure(paths.store) == tmp_path / "a/b/store"
        assert paths.ensure(paths.store).is_dir()
    finally:
        os.umask(before)
    for folder in (tmp_path / "a", tmp_path / "a/b", paths.store):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paths = Paths.from_environment(
        {
            "LOCALD_DATA_DIR": str(tmp_path / "file/x"),
            "LOCALD_CACHE_DIR": str(tmp_path / "file/c"),
        }
    )
    with pytest.raises(StorageError) as caught:
        paths.ensure(paths.store)
    assert caught.value.message.endswith(f"file/x/store: {tmp_path}/file is not a folder")
    assert caught.value.hint == "set LOCALD_DATA_DIR to a folder that you can write"
    with pytest.raises(StorageError) as caught:
        paths.ensure(paths.build_caches)
    assert "LOCALD_CACHE_DIR" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o500)
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "d")})
    with pytest.raises(StorageError, match="Permission denied"):
        paths.ensure(paths.store)
    with pytest.raises(StorageError, match="no permission to write there"):
        paths.ensure(paths.data_dir)


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    paths = replace(
        Paths.from_environment(), data_dir=Path(os.fsdecode(os.fsencode(tmp_path) + b"/latin-\xe9"))
    )
    with pytest.raises(StorageError, match="its name is not UTF-8") as caught:
        paths.ensure(paths.work)
    assert "LOCALD_DATA_DIR" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
