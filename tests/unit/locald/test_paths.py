import os
import pwd
from pathlib import Path

import pytest

from locald.paths import Paths
from oci.errors import StorageError


def test_the_locald_variables_win(tmp_path: Path) -> None:
    paths = Paths.from_environment(
        {
            "LOCALD_DATA_DIR": str(tmp_path / "d"),
            "LOCALD_CACHE_DIR": str(tmp_path / "c"),
            "LOCALD_CONFIG_DIR": str(tmp_path / "f"),
            "XDG_DATA_HOME": "/elsewhere",
            "XDG_RUNTIME_DIR": "/run/user/1",
        }
    )
    assert paths.store == tmp_path / "d/store"
    assert paths.work == tmp_path / "d/work"
    assert paths.build_caches == tmp_path / "c/builds"
    assert paths.user_config == tmp_path / "f/config.toml"
    assert paths.logs == tmp_path / "d/state/log"
    assert paths.runtime_dir == tmp_path / "d/run"


def test_the_xdg_folders_are_the_default() -> None:
    paths = Paths.from_environment(
        {
            "HOME": "/home/ada",
            "XDG_CACHE_HOME": "/fast",
            "XDG_CONFIG_HOME": "relative/is/ignored",
            "XDG_RUNTIME_DIR": "/run/user/1",
            "LOCALD_DATA_DIR": "",
        }
    )
    assert paths.data_dir == Path("/home/ada/.local/share/locald")
    assert paths.cache_dir == Path("/fast/locald")
    assert paths.config_dir == Path("/home/ada/.config/locald")
    assert paths.logs == Path("/home/ada/.local/state/locald/log")
    assert paths.runtime_dir == Path("/run/user/1/locald")


def test_without_home_the_password_file_tells_or_the_variables_are_named() -> None:
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        with pytest.raises(StorageError) as caught:
            Paths.from_environment({})
        assert "LOCALD_DATA_DIR" in caught.value.hint
    else:
        assert Paths.from_environment({}).data_dir == Path(home, ".local/share/locald")


def test_a_relative_variable_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.from_environment({"LOCALD_DATA_DIR": "d", "HOME": "/x"}).data_dir == tmp_path / "d"


def test_new_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "a/b"), "HOME": "/x"})
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
            "HOME": "/x",
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
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "d"), "HOME": "/x"})
    with pytest.raises(StorageError, match="Permission denied"):
        paths.ensure(paths.store)
    with pytest.raises(StorageError, match="no permission to write there"):
        paths.ensure(paths.data_dir)
