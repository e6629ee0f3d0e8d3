"""A real registry (`docker-registry`) on a free port of the loopback, for as long as a test.

with serve_registry(tmp_path / "registry") as registry: …                     plain HTTP
with serve_registry(folder, tls=make_tls(folder_of_keys), login=True) as …    private CA, password
"""

import base64
import json
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
from oci.registries import Registries, RegistryAccess
from tests.support.tls import Tls
from tests.support.waiting import wait_until

USER = "tester"
PASSWORD = "wet-Paint-77"
# bcrypt of the password, the only form that docker-registry takes; cost 4, because it is asked
# with every request.
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuuUIOQfz1d/5DuUIRQrsNmQKmkibORlum\n"

# It listens on a port of the kernel's choice and says which; it ends with its lifeline.
_SERVE = """
docker-registry serve "$1" >"$2" 2>&1 & server=$!
cat >/dev/null
kill "$server"; wait
"""
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_ACCESS = re.compile(r'"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.\d" (\d+) (\d+)')


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request that was answered. sent_bytes: the answer's body."""

    method: str
    path: str
    status: int
    sent_bytes: int

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Registry:
    """A running registry. auth_file: where its password is, if it wants one."""

    host: str
    data: Path
    log: Path
    tls: Tls | None = None
    auth_file: Path | None = None

    @property
    def access(self) -> RegistryAccess:
        """How to reach it."""
        if self.tls is None:
            return RegistryAccess(auth_file=self.auth_file, insecure=frozenset({self.host}))
        return RegistryAccess(auth_file=self.auth_file, cert_dir=self.tls.cert_dir)

    @property
    def registries(self) -> Registries:
        """The same, for skopeo and clients."""
        return Registries(CommandRunner(), self.access)

    @property
    def flags(self) -> tuple[str, ...]:
        """The same, for the command line."""
        login = ("--authfile", str(self.auth_file)) if self.auth_file is not None else ()
        if self.tls is None:
            return (*login, "--insecure-registry", self.host)
        return (*login, "--cert-dir", str(self.tls.cert_dir))

    def reference(self, name: str) -> Reference:
        """The name of an image in it: `team/app:1`."""
        return Reference.parse(f"{self.host}/{name}").with_default_tag()

    def location(self, name: str) -> ImageLocation:
        """An image in it."""
        return ImageLocation.registry(self.reference(name))

    def asked(self) -> tuple[Asked, ...]:
        """What was asked of it so far, in order."""
        return tuple(
            Asked(method=m, path=path, status=int(status), sent_bytes=int(size))
            for m, path, status, size in _ACCESS.findall(self.log.read_text())
        )

    def requests(self) -> list[str]:
        """The same as `GET /v2/…`."""
        return [str(asked) for asked in self.asked()]


@contextmanager
def serve_registry(
    folder: Path, *, tls: Tls | None = None, login: bool = False
) -> Iterator[Registry]:
    """Start a registry that keeps its data below `folder`, a new one."""
    if shutil.which("docker-registry") is None:
        pytest.fail("docker-registry is not installed (Debian: docker-registry)")
    folder.mkdir(parents=True)
    log, config = folder / "log", folder / "config.yml"
    settings = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    if tls is not None:
        settings["http"]["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}  # type: ignore[index]
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "a test", "path": str(folder / "htpasswd")}}
    config.write_text(yaml.safe_dump(settings))
    command = Command(argv=("sh", "-c", _SERVE, "sh", str(config), str(log)))
    with CommandRunner().start(command):
        if not wait_until(lambda: log.exists() and _LISTENING.search(log.read_text())):
            pytest.fail(f"docker-registry did not start: {log.read_text()}")
        found = _LISTENING.search(log.read_text())
        assert found is not None
        host = f"127.0.0.1:{found.group(1)}"
        auth_file = write_auth_file(folder / "auth.json", host) if login else None
        yield Registry(host, folder / "data", log, tls, auth_file)


def write_auth_file(path: Path, host: str, *, user: str = USER, password: str = PASSWORD) -> Path:
    """An auth file as `skopeo login` writes it."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": pair}}}))
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry of this test's own. Import it into the test's module to use it."""
    with serve_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path, tls: Tls) -> Iterator[Registry]:
    """One with a private CA and a password; import `tls` as well."""
    with serve_registry(tmp_path / "guarded", tls=tls, login=True) as running:
        yield running
