"""The folders of locald, below one of the test's own."""

from pathlib import Path

from locald.paths import Paths


def paths_below(folder: Path) -> Paths:
    """Nothing is made."""
    return Paths(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        config_dir=folder / "config",
        state_dir=folder / "state",
    )
