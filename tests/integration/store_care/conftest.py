"""A store in a folder of the test's own, and what to put into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from locald.paths import Paths
from oci.idmap import IdMap, SubordinateIds
from oci.layout import Layout
from oci.process import CommandRunner
from oci.scratch import remove
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import make_image


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(
        data_dir=tmp_path / "data",
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path / "config",
        state_dir=tmp_path / "state",
    )


@pytest.fixture
def store(paths: Paths) -> Iterator[ImageStore]:
    yield ImageStore(paths.store, Skopeo(CommandRunner()))
    remove(paths.store, CommandRunner())  # pytest cannot: files of subordinate ids


@pytest.fixture
def id_map() -> IdMap:
    return IdMap(1000, 1000, single=not SubordinateIds.of_current_user().usable)


@pytest.fixture
def source(tmp_path: Path) -> Layout:
    return make_image(tmp_path / "source", files={"etc/motd": "hello\n", "bin/x": "x" * 9000})
