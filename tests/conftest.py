"""Fixtures and rules for all tests. Helpers that tests import are in tests/support."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.fake_tools import FakeTools

TESTS = Path(__file__).parent
# A folder of tests that is a marker too, and needs a user who is not root.
UNPRIVILEGED = {
    "integration": "runs the real tools of this host",
    "e2e": "builds real applications with the real lifecycle through the command line",
    "faults": "kills builds, tears their files, fills their disks",
}


# The work tree may be read-only for the user who tests.
settings.register_profile("locald", database=None)
settings.load_profile("locald")


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, meaning in UNPRIVILEGED.items():
        config.addinivalue_line("markers", f"{name}: {meaning} (set by the test's folder)")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = _folder(item)
        if name in UNPRIVILEGED:
            item.add_marker(name)


def pytest_collection_finish(session: pytest.Session) -> None:
    """After -k and -m have chosen: as root nothing may be left that promises to be rootless."""
    if os.geteuid() != 0 or session.config.option.collectonly:
        return
    refused = sorted({name for item in session.items if (name := _folder(item)) in UNPRIVILEGED})
    if refused:
        raise pytest.UsageError(
            f"{' and '.join(refused)} tests show that no step needs root, so they refuse to run "
            "as root: use `make test` (it runs them as an unprivileged user), or "
            "`pytest tests/unit tests/architecture`"
        )


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""


@pytest.fixture
def fake_tools(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> FakeTools:
    """Fake executables in front of the real ones: `fake_tools.install("umoci", exit_code=1)`."""
    tools = FakeTools(tmp_path_factory.mktemp("fake-tools"))
    monkeypatch.setenv("PATH", str(tools.bin), prepend=os.pathsep)
    return tools


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """The command line sends log records to its console; one test's console is not another's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
