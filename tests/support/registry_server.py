"""A real registry on the loopback interface, over plain HTTP, gone after the block."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support.waiting import wait_until

_CONFIG = """\
version: 0.1
log: {{ level: error }}
storage:
  filesystem: {{ rootdirectory: "{folder}/storage" }}
http:
  addr: 127.0.0.1:{port}
"""
_REGISTRIES_CONF = """\
unqualified-search-registries = []
[[registry]]
location = "{name}"
insecure = true
"""


@dataclass(frozen=True)
class RegistryServer:
    """name: `127.0.0.1:PORT`. home: a HOME whose registries.conf says that it has no TLS."""

    name: str
    home: Path


@contextmanager
def registry_server(folder: Path) -> Iterator[RegistryServer]:
    """Start one that keeps its files in `folder`, an existing empty folder."""
    if shutil.which("docker-registry") is None:
        pytest.fail("`docker-registry` is not installed: sudo apt install docker-registry")
    port = free_port()
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder, port=port))
    home = folder / "home"
    (home / ".config/containers").mkdir(parents=True)
    (home / ".config/containers/registries.conf").write_text(
        _REGISTRIES_CONF.format(name=f"127.0.0.1:{port}")
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log
        )
    try:
        assert wait_until(lambda: _answers(port)), (folder / "log").read_text()
        yield RegistryServer(f"127.0.0.1:{port}", home)
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/v2/", timeout=2) as page:
            return bool(page.status == 200)
    except (URLError, OSError):
        return False
