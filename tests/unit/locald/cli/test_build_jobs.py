"""How many services `locald build` builds at the same time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from locald.cli.app import main
from oci.errors import BusyError


@pytest.mark.parametrize(
    ("config", "flags", "jobs"),
    [("", [], 1), ("jobs = 3\n", [], 3), ("jobs = 3\n", ["--jobs", "2"], 2), ("", ["-j", "4"], 4)],
)
def test_the_flag_wins_over_the_user_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, flags: list[str], jobs: int
) -> None:
    monkeypatch.setenv("LOCALD_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "config.toml").write_text(config)
    project = tmp_path / "shop"
    project.mkdir()
    (project / "locald.toml").write_text("[service.a]\nbuild = true\n[service.b]\nbuild = true\n")
    asked = []

    def nothing(work: Sequence[Callable[[], object]], *, jobs: int) -> list[BusyError]:
        asked.append((len(work), jobs))
        return [BusyError("not in this test") for _ in work]

    monkeypatch.setattr("locald.cli.build.side_by_side", nothing)
    assert main(["build", str(project), *flags]) == BusyError.exit_code
    assert asked == [(2, jobs)]
