"""The builder for all end-to-end tests; applications to build."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from locald.build.builder_create import EMBEDDED_NAME
from oci.platform import Platform
from tests.support.cli import Locald
from tests.support.e2e import Installation, make_app

AppMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The store that the environment names, with the embedded builder, made if it is not there."""
    made = Installation.make(
        tmp_path_factory.mktemp("locald"), f"locald-e2e-{secrets.token_hex(4)}"
    )
    # `make e2e` has brought it up to date; making it anew takes minutes.
    if made.store.find(EMBEDDED_NAME, Platform.of_host()) is None:
        created = made.locald.run("builder", "create", "--embedded")
        assert created.code == 0, created.output
    yield made
    made.forget_images()


@pytest.fixture
def locald_command(tmp_path: Path) -> Locald:
    """The executable with folders of its own, for tests that need no builder."""
    return Installation.make(tmp_path / "locald", "none").locald


@pytest.fixture
def make(tmp_path: Path) -> AppMaker:
    """Makes a folder with an application: `make("shop")`, `make("shop", {"index.html": …})`."""

    def maker(name: str = "", files: Mapping[str, str] | None = None) -> Path:
        # The image is named after the folder; tests must not share a name.
        folder = tmp_path / (name or f"app-{secrets.token_hex(4)}")
        return make_app(folder, files)

    return maker


@pytest.fixture
def app(make: AppMaker) -> Path:
    """A folder with an index.html."""
    return make()
