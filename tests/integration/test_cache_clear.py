"""Caches with files of other ids are cleared, too."""

import os
import subprocess
import sys
from pathlib import Path

from lifecycle.caches import BuildCache
from oci.idmap import SubordinateIds
from oci.platform import Platform
from oci.process import CommandRunner
from oci.userns import UserNamespace

REPOSITORY = Path(__file__).parents[2]


def test_files_of_subordinate_ids_are_removed(tmp_path: Path) -> None:
    cache = BuildCache.locate(
        tmp_path / "cache/builds",
        project="shop",
        app_dir=tmp_path,
        service=None,
        platform=Platform.of_host(),
        distro="debian",
        exec_env="production",
    )
    cache.prepare()
    foreign = cache.build / "foreign"
    (foreign / "folder").mkdir(parents=True)
    (foreign / "folder/file").touch()
    with UserNamespace(CommandRunner(), ids=SubordinateIds.of_current_user()) as namespace:
        namespace.run("chmod", "700", str(foreign))
        namespace.run("chown", "-R", "7:7", str(foreign))
    result = subprocess.run(
        [sys.executable, "-m", "locald", "cache", "clear", str(tmp_path)],
        env={
            **os.environ,
            "LOCALD_CACHE_DIR": str(tmp_path / "cache"),
            "LOCALD_DATA_DIR": str(tmp_path / "data"),
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert not list(cache.build.iterdir())
