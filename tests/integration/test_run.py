"""`locald run` and what is left of it, in every way that this host has to run an image."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import Command, CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.app_image import PAGE, make_app_image

REPOSITORY = Path(__file__).parents[2]
CANARY = "canary-of-this-test"
# From podman's storage; from our store.
WAYS = ("podman", "runc", "bwrap")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A store with one application image, which podman has, too."""

    data: Path
    image: str

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "LOCALD_DATA_DIR": str(self.data),
            "LOCALD_CACHE_DIR": str(self.data.with_name("cache")),
            "SECRET_OF_MINE": CANARY,
            **more,
        }

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "locald", "run", *arguments]

    def run(
        self, *arguments: str, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """To the end."""
        return subprocess.run(
            self.argv(*arguments),
            env={**(env or self.environment()), "PYTHONPATH": str(REPOSITORY)},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.argv(*arguments),
            env=self.environment(PYTHONPATH=str(REPOSITORY)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("run")
    name = f"locald-test-{secrets.token_hex(4)}"
    runner = CommandRunner()
    _install(make_app_image(folder / "image"), name, folder / "data", runner)
    yield Installation(data=folder / "data", image=name)
    runner.run(Command(argv=("podman", "rmi", "--force", f"{LOCALHOST}/{name}")), check=False)


def _install(layout: Layout, name: str, data: Path, runner: CommandRunner) -> None:
    skopeo, platform = Skopeo(runner), Platform.of_host()
    reference = Reference(LOCALHOST, name, "latest")
    stored = ImageStore(data / "store", skopeo).commit(layout, (reference,), platform)
    source = ImageLocation.layout(stored.layout.path, "latest")
    skopeo.copy(source, ImageLocation.storage(reference), platform=platform)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return ("--runtime", str(request.param))


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://localhost:\d+$", line.strip()):
            return found[0]
    raise AssertionError(f"no address was told, exit code {process.wait()}")


def test_the_page_is_served_and_ctrl_c_stops_it(
    installation: Installation, way: tuple[str, str]
) -> None:
    process = installation.start(installation.image, *way, "--port", "0")
    with urllib.request.urlopen(url_of(process), timeout=10) as answer:
        page = answer.read().decode()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert page == PAGE
    assert "going down" in out
    assert "Stopped by SIGINT" in err
    assert process.returncode == 130


def test_sigterm_is_143_and_a_deaf_application_is_killed(installation: Installation) -> None:
    process = installation.start(installation.image, "--runtime", "runc", "--process", "stubborn")
    assert process.stdout is not None
    assert process.stdout.readline() == "deaf\n"
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    process.communicate(timeout=40)
    assert process.returncode == 143
    assert 9 < time.monotonic() - started < 25


def test_exit_code_and_streams_are_the_applications(
    installation: Installation, way: tuple[str, str]
) -> None:
    result = installation.run(installation.image, *way, "-q", "--process", "fail")
    assert result.returncode == 7
    assert result.stdout == "to-stdout\n"
    assert result.stderr == "to-stderr\n"


def test_it_runs_as_the_images_user_with_the_arguments(
    installation: Installation, way: tuple[str, str]
) -> None:
    result = installation.run(
        installation.image, *way, "--process", "identity", "--", "a b", "--port", "$HOME"
    )
    assert result.stdout.splitlines() == [
        "1000", "1000", "/workspace", "/home/cnb", "a b", "--port", "$HOME",
    ]  # fmt: skip


def test_environment_is_the_images_then_the_projects_then_the_flags(
    installation: Installation, way: tuple[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "locald.toml").write_text(
        f'[project]\nname = "{installation.image}"\n'
        "[service.web]\nbuild = true\nport = 0x4711\n"
        'env = { A = "file", B = "file" }\n'
    )
    (tmp_path / "env").write_text("B=env-file\nC=env-file\n")
    result = installation.run(
        str(project), *way, "--process", "environment", "--port", "0",
        "--env-file", str(tmp_path / "env"), "-e", "C=two words", "-e", "PATH=/bin",
    )  # fmt: skip
    env = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert result.returncode == 0, result.stderr
    assert {name: env[name] for name in "ABC"} == {"A": "file", "B": "env-file", "C": "two words"}
    assert env["CNB_APP_DIR"] == "/workspace"
    assert env["PATH"] == "/bin"
    assert env["PORT"].isdecimal()
    assert CANARY not in result.stdout


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("\"echo $CNB_APP_DIR 'x y'\"", "/workspace x y"),
        ('["echo", "$CNB_APP_DIR"]', "$CNB_APP_DIR"),
    ],
)
def test_command_of_locald_toml_goes_through_the_launcher(
    installation: Installation, tmp_path: Path, command: str, expected: str
) -> None:
    (tmp_path / "locald.toml").write_text(
        f'[project]\nname = "{installation.image}"\n'
        f"[service.web]\nbuild = true\ncommand = {command}\n"
    )
    result = installation.run("--port", "0", cwd=tmp_path)
    assert result.stdout.strip() == expected


def test_procfile_web_comes_before_the_images_default(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / installation.image
    folder.mkdir()
    (folder / "Procfile").write_text("web: echo from the Procfile\n")
    assert installation.run(str(folder), "--port", "0").stdout == "from the Procfile\n"


def test_a_taken_port_is_named(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = installation.run(installation.image, "--port", port)
    assert result.returncode == 7
    assert f"port {port}" in result.stderr
    assert "--port" in result.stderr


def test_without_a_runtime_folder(installation: Installation, way: tuple[str, str]) -> None:
    """As cron jobs and `su` leave it: unset, or another user's."""
    env = {k: v for k, v in installation.environment().items() if k != "XDG_RUNTIME_DIR"}
    for more in ({}, {"XDG_RUNTIME_DIR": "/root"}):
        result = installation.run(
            installation.image, *way, "--process", "fail", env={**env, **more}
        )
        assert result.returncode == 7, result.stderr


@pytest.mark.parametrize("runtime", WAYS)
def test_killed_locald_leaves_no_container(installation: Installation, runtime: str) -> None:
    marker = f"marker-{secrets.token_hex(4)}"
    process = installation.start(
        installation.image, "--runtime", runtime, "--port", "0", "--", marker
    )
    url_of(process)
    assert _processes_with(marker)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while (left := _processes_with(marker)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left
    listed = CommandRunner().run(Command(argv=("podman", "ps", "--all", "--format", "{{.Names}}")))
    assert "locald-run-" not in listed.text


def _processes_with(marker: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if marker in line:
                found.append(line.replace("\0", " "))
    return found


def test_messages_of_bad_input(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "unbuilt").mkdir()
    (tmp_path / "file").touch()
    cases = [
        (("unbuilt",), 4, "run: locald build unbuilt"),
        (("nothing-of-that-name",), 4, "run: locald build --tag nothing-of-that-name PATH"),
        (("./nowhere",), 2, "no such folder"),
        (("file",), 2, "not a folder"),
        (("UPPER",), 2, "lower case"),
        ((installation.image, "--process", "webb"), 2, 'did you mean "web"?'),
        ((installation.image, "--runtime", "docker"), 2, "runc"),
        ((installation.image, "--port", "70000"), 2, "port"),
        ((installation.image, "-e", "CNB_X=1"), 2, "CNB_"),
        ((installation.image, "-e", "PORT=http"), 2, "no port number"),
        ((installation.image, "--service", "web"), 2, "--service"),
        ((installation.image[:-1],), 4, f'did you mean "{installation.image}"?'),
    ]
    for arguments, exit_code, words in cases:
        result = installation.run(*arguments, cwd=tmp_path)
        assert result.returncode == exit_code, (arguments, result.stderr)
        assert words in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
        assert result.stdout == ""
