"""A real registry (`docker-registry`) on a free port of the loopback, for as long as a test."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from oci.location import ImageLocation
from oci.process import Command, CommandRunner
from oci.reference import Reference
from oci.skopeo import RegistryAccess
from tests.support.waiting import wait_until

# It listens on a port of the kernel's choice and says which; it ends with its lifeline.
_SERVE = """
docker-registry serve "$1" >"$2" 2>&1 & server=$!
cat >/dev/null
kill "$server"; wait
"""
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Registry:
    """A running registry. It speaks HTTP: give skopeo `access`."""

    host: str
    data: Path
    log: Path

    @property
    def access(self) -> RegistryAccess:
        """How skopeo reaches it."""
        return RegistryAccess(tls_verify=False)

    def location(self, name: str) -> ImageLocation:
        """An image in it: `team/app:1`."""
        return ImageLocation.registry(Reference.parse(f"{self.host}/{name}"))

    def requests(self) -> list[str]:
        """What was asked of it so far: `GET /v2/…`, in order."""
        found = re.findall(r'"((?:GET|HEAD|POST|PUT|PATCH) [^ "]+)', self.log.read_text())
        return [str(request) for request in found]


@contextmanager
def serve_registry(folder: Path) -> Iterator[Registry]:
    """Start a registry that keeps its data below `folder`, a new one."""
    folder.mkdir()
    log, config = folder / "log", folder / "config.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": 0.1,
                "log": {"level": "info"},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": "127.0.0.1:0"},
            }
        )
    )
    command = Command(argv=("sh", "-c", _SERVE, "sh", str(config), str(log)))
    with CommandRunner().start(command):
        if not wait_until(lambda: log.exists() and _LISTENING.search(log.read_text())):
            pytest.fail(f"docker-registry did not start: {log.read_text()}")
        found = _LISTENING.search(log.read_text())
        assert found is not None
        yield Registry(f"127.0.0.1:{found.group(1)}", folder / "data", log)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry of this test's own. Import it into the test's module to use it."""
    if shutil.which("docker-registry") is None:
        pytest.fail("docker-registry is not installed (Debian: docker-registry)")
    with serve_registry(tmp_path / "registry") as running:
        yield running
