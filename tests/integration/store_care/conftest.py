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
from tests.support.own_paths import paths_below


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return paths_below(tmp_path)


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
