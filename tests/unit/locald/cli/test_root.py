"""The host's root is refused before anything is made: its folders would be in a user's way."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.runtime import select
from locald.cli import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of a user who has never used locald; the process is root's all the same."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.delenv(f"LOCALD_{name}_DIR", raising=False)
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    refuse: Callable[[int, str], None] = select.refuse_real_root
    monkeypatch.setattr(select, "refuse_real_root", lambda *_: refuse(0, "0 0 4294967295\n"))
    return home


@pytest.mark.parametrize("command", ["build", "run"])
def test_nothing_is_made_for_the_hosts_root(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "app").mkdir()
    assert app.main([command, os.fspath(tmp_path / "app")]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: locald does not run as root")
    assert "hint: run it as an ordinary user" in err
    assert list(home.iterdir()) == []
