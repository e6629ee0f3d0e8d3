"""The command line that podman gets."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import Network, Port
from locald.services.application import Application
from locald.services.podman_run import PodmanRun, base_argv, image_id, run_argv
from locald.services.start_command import StartCommand
from oci.errors import ContainerError, HostError
from oci.process import CommandRunner
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.app_image import make_app_image
from tests.support.fake_tools import FakeTools


@pytest.fixture
def application(tmp_path: Path) -> Application:
    layout = make_app_image(tmp_path / "image")
    image = layout.read()
    name = Reference.parse("localhost/shop:latest")
    return Application(
        name=name,
        container="locald-run-1",
        stored=StoredImage(
            reference=name, layout=layout, image=image, source=None, source_digest=image.digest
        ),
        start=StartCommand(
            program=PurePosixPath("/cnb/process/web"),
            arguments=("-x", "a b"),
            process_type="web",
            origin="the image",
        ),
        env={"TOKEN": "s3cret", "PATH": "/bin"},
        network=Network.PRIVATE,
        port=Port(host=8081, container=8080),
    )


def test_the_container_has_no_powers_and_no_values_on_the_command_line(
    application: Application, fake_tools: FakeTools
) -> None:
    fake_tools.install("slirp4netns")
    argv = run_argv(application, base=("podman",), env_file=Path("/env"), init=False)
    assert argv == (
        "podman",
        "run",
        "--rm",
        "--name", "locald-run-1",
        "--pull=never",
        "--cap-drop=all",
        "--security-opt", "no-new-privileges",
        "--http-proxy=false",
        "--log-driver=none",
        "--systemd=false",
        "--network=slirp4netns:mtu=65520,allow_host_loopback=false",
        "--publish=127.0.0.1:8081:8080",
        "--env-file", "/env",
        "--env", "PORT",
        "--env", "TOKEN",
        "--entrypoint", "/cnb/process/web",
        "--",
        image_id(application),
        "-x", "a b",
    )  # fmt: skip


def test_on_the_hosts_network_nothing_is_published(application: Application) -> None:
    shared = replace(application, network=Network.HOST)
    argv = run_argv(shared, base=(), env_file=Path("/env"), init=True)
    assert "--network=host" in argv
    assert "--init" in argv
    assert not [word for word in argv if word.startswith("--publish")]


def test_runc_stands_in_for_crun_on_hybrid_hierarchies() -> None:
    assert "runc" in base_argv(unified_cgroups=False, has_runc=True)
    assert "runc" not in base_argv(unified_cgroups=True, has_runc=True)
    assert "runc" not in base_argv(unified_cgroups=False, has_runc=False)


def test_only_exactly_the_same_image_is_run(
    application: Application, fake_tools: FakeTools
) -> None:
    podman = PodmanRun(CommandRunner())
    fake_tools.install("podman", stdout=image_id(application))
    assert podman.obstacle(application.name, image_id(application)) is None
    fake_tools.install("podman", stdout="0" * 64)
    assert "another image" in str(podman.obstacle(application.name, image_id(application)))
    fake_tools.install("podman", exit_code=125, stderr="no such image")
    assert "does not have" in str(podman.obstacle(application.name, image_id(application)))


def run_with(application: Application) -> int:
    hosts = replace(application, network=Network.HOST)  # needs no /dev/net/tun
    return PodmanRun(CommandRunner()).run(hosts, on_line=lambda *_: None)


def test_podmans_own_failures_are_not_the_applications(
    application: Application, fake_tools: FakeTools
) -> None:
    fake_tools.install("podman", exit_code=125, stderr="Error: out of order\n")
    with pytest.raises(ContainerError, match="podman could not run shop:latest"):
        run_with(application)
    fake_tools.install("podman", exit_code=126, stderr="Error: address already in use\n")
    with pytest.raises(HostError, match="8081"):
        run_with(application)
    fake_tools.install("podman", exit_code=127, stderr="sh: ls: not found\n")
    assert run_with(application) == 127


def test_values_reach_podman_by_its_environment(
    application: Application, fake_tools: FakeTools
) -> None:
    podman = fake_tools.install("podman")
    assert run_with(application) == 0
    (call,) = [call for call in podman.calls if "run" in call.arguments]
    assert call.environment["TOKEN"] == "s3cret"
    assert call.environment["PORT"] == "8080"
    assert not [word for word in call.arguments if "s3cret" in word]
