"""Images into and out of registries, through the command line."""

import json
import os
import signal
from pathlib import Path

import pytest

from locald.paths import CONFIG_VARIABLE
from oci.digest import Digest
from oci.layout import Layout
from oci.platform import Platform
from oci.registry_clients import RegistryClients
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import BUILDER, Installation
from tests.support.images import make_image
from tests.support.publishing import (
    RUN,
    cert_dir,
    fetched,
    layers_of,
    machine,
    other_machine,
    publish,
    publish_flags,
    push,
    push_run_image,
    registry,
)
from tests.support.registry import PASSWORD, USER, Registry, serve_registry, write_auth_file
from tests.support.registry_faults import Fault, serve_faults
from tests.support.waiting import wait_until

__all__ = ["machine", "registry"]


def test_a_fresh_machine_publishes_without_a_byte_of_the_run_image(
    machine: Installation, app: Path, registry: Registry
) -> None:
    since = len(registry.asked())
    report, result = publish(machine, app, registry, f"team/{app.name}:1", f"team/{app.name}:new")
    base = layers_of(registry, "base/run:1")
    image = layers_of(registry, f"team/{app.name}:1")
    assert set(base) < set(image)
    assert layers_of(registry, f"team/{app.name}:new") == image
    assert fetched(registry, since, set(base)) == 0
    (told,) = report["published"]
    assert told["mounted_bytes"] == sum(base.values())
    assert told["copied_bytes"] == told["present_bytes"] == 0
    assert told["sent_bytes"] < 4_000_000
    size = told["size_bytes"] / 1_000_000
    assert f"of {size:.0f} MB" in result.stderr or f"of {size:.1f} MB" in result.stderr
    assert "; pushed " in result.stderr
    assert registry.auth_file is not None
    (login,) = json.loads(registry.auth_file.read_text())["auths"].values()
    for secret in (PASSWORD, login["auth"]):
        assert secret not in result.output + json.dumps(report)
    # Whole, for whoever pulls it.
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(f"team/{app.name}:1"))
        assert found is not None
        assert str(found.digest) == report["image"]["digest"]
        client = clients.target(registry.reference(f"team/{app.name}:1"))
        assert all(client.has_blob(Digest.parse(digest)) for digest in image)


HEAVY = """
layer="$CNB_LAYERS_DIR/heavy"
if [[ -e $layer.toml ]]; then echo "heavy is kept"
else mkdir -p "$layer"; head -c 300000 /dev/urandom >"$layer/data"; echo "heavy is made"; fi
printf '[types]\nlaunch = true\n[metadata]\nversion = "1"\n' >"$layer.toml"
printf '[[processes]]\ntype = "web"\ncommand = ["true"]\ndefault = true\n' \\
    >"$CNB_LAYERS_DIR/launch.toml"
"""


@pytest.fixture
def heavy(tmp_path: Path) -> BuildpackFolder:
    """Its layer is other bytes each time that it is made."""
    return BuildpackFolder.make(tmp_path / "heavy", id="e2e/heavy", build=HEAVY)


def test_a_machine_that_never_built_it_reuses_what_it_publishes_over(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    name = f"team/{app.name}:1"
    more = ("--buildpack", str(heavy.path), "--verbose")
    _, first = publish(machine, app, registry, name, flags=more)
    assert "heavy is made" in first.output
    before = layers_of(registry, name)
    (app / "index.html").write_text("something else")
    second = other_machine(installation, tmp_path / "second")
    since = len(registry.asked())
    report, result = publish(second, app, registry, name, flags=more)
    assert "heavy is kept" in result.output
    after = layers_of(registry, name)
    kept = [d for d in after if d in before and after[d] > 250_000]
    assert kept, "the heavy layer is the same"
    # Manifest, configuration and the bill of materials: none of it is large.
    assert fetched(registry, since, {d for d in before if before[d] > 100_000}) == 0
    assert sum(a.sent_bytes for a in registry.asked()[since:]) < 200_000
    assert report["published"][0]["sent_bytes"] < 100_000


def test_a_previous_image_of_another_name_is_reused_by_a_local_output(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    name = f"team/{app.name}:main"
    more = ("--buildpack", str(heavy.path), "--verbose")
    publish(machine, app, registry, name, flags=more)
    second = other_machine(installation, tmp_path / "second")
    out = tmp_path / "out"
    flags = (
        "--previous-image", f"{registry.host}/{name}",
        "--run-image", f"{registry.host}/base/run:1",
        "--output", f"oci:{out}:1", *registry.flags, *more,
    )  # fmt: skip
    result = second.build(app, *flags)
    assert "heavy is kept" in result.output
    layout = Layout(out)
    assert not layout.missing_layers(layout.read())
    assert set(layers_of(registry, name)) & {str(d) for d in layout.read().layer_digests}


def test_a_previous_image_elsewhere_is_mounted_from_there(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    more = ("--buildpack", str(heavy.path), "--verbose")
    publish(machine, app, registry, f"main/{app.name}:1", flags=more)
    second = other_machine(installation, tmp_path / "second")
    previous = ("--previous-image", f"{registry.host}/main/{app.name}:1")
    report, result = publish(
        second, app, registry, f"branch/{app.name}:1", flags=(*more, *previous)
    )
    assert "heavy is kept" in result.output
    assert report["published"][0]["copied_bytes"] == 0
    assert report["published"][0]["sent_bytes"] < 100_000


def test_the_first_build_of_a_previous_image_that_does_not_exist_says_so(
    machine: Installation, app: Path, registry: Registry
) -> None:
    missing = f"{registry.host}/team/none-yet:1"
    _, result = publish(
        machine, app, registry, f"team/{app.name}:1", flags=("--previous-image", missing)
    )
    assert f"the previous image {missing} does not exist: no layer is reused" in result.stderr


@pytest.mark.parametrize("there", ["no buildpacks", "another platform"])
def test_a_tag_that_holds_something_else_is_replaced(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path, there: str
) -> None:
    platform = Platform.of_host() if there == "no buildpacks" else Platform("linux", "s390x")
    other = make_image(tmp_path / "other", files={"a": "1"}, platform=platform)
    name = f"team/{app.name}:1"
    push(other, registry, name)
    report, _ = publish(machine, app, registry, name)
    with RegistryClients(registry.registries) as clients:
        digest = clients.target(registry.reference(name)).digest_of(registry.reference(name))
    assert str(digest) == report["image"]["digest"]


def test_a_previous_image_that_buildpacks_did_not_make_is_refused(
    machine: Installation, app: Path, registry: Registry
) -> None:
    result = machine.locald.run(
        "build", app, *publish_flags(registry, f"team/{app.name}:1"),
        "--previous-image", f"{registry.host}/base/run:1",
    )  # fmt: skip
    assert result.code == 4
    assert f"the previous image docker://{registry.host}/base/run" in result.stderr
    assert "leave --previous-image out" in result.stderr


def test_a_rebuild_pushes_what_changed_and_the_store_s_image_serves_as_the_previous(
    machine: Installation, app: Path, registry: Registry
) -> None:
    name = f"team/{app.name}:1"
    publish(machine, app, registry, name)
    (app / "index.html").write_text("something else")
    since = len(registry.asked())
    report, _ = publish(machine, app, registry, name)
    assert report["published"][0]["sent_bytes"] < 10_000
    assert [a for a in registry.asked()[since:] if a.method == "POST" and a.status == 201] == []


def test_a_run_image_of_another_registry_goes_from_one_to_the_other(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain:
        auth = write_auth_file(tmp_path / "auth.json", registry.host)
        result = machine.locald.run(
            "build", app, "--builder", BUILDER, "--run-image", f"{registry.host}/base/run:1",
            "--tag", f"{plain.host}/team/app:1", "--publish", "--authfile", auth,
            *cert_dir(registry),
            "--insecure-registry", plain.host,
        )  # fmt: skip
        assert result.code == 0, result.output
        assert "MB between registries" in result.stderr
        base = set(layers_of(registry, "base/run:1"))
        assert base < set(layers_of(plain, "team/app:1"))
    assert not [d for d in base if (machine.paths.store / "blobs/sha256" / d[7:]).exists()]


def test_a_sparse_layout_has_the_application_alone(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    since = len(registry.asked())
    machine.build(
        app, "--run-image", f"{registry.host}/base/run:1", "--output", f"oci:{out}:1",
        "--sparse", *registry.flags,
    )  # fmt: skip
    layout = Layout(out)
    base = set(layers_of(registry, "base/run:1"))
    assert {str(d) for d in layout.missing_layers(layout.read())} == base
    assert fetched(registry, since, base) == 0


def test_a_credential_helper_logs_in(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    tools, config = tmp_path / "tools", tmp_path / "docker"
    for folder in (tools, config):
        folder.mkdir()
    helper = tools / "docker-credential-here"
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    (config / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "here"}}))
    helped = machine.with_environment(
        "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR",
        PATH=f"{tools}:{os.environ['PATH']}", DOCKER_CONFIG=str(config), HOME=str(tmp_path),
    )  # fmt: skip
    result = helped.locald.run(
        "build", app, "--builder", BUILDER, "--run-image", f"{registry.host}/base/run:1",
        "--tag", f"{registry.host}/team/{app.name}:1", "--publish", *cert_dir(registry),
    )  # fmt: skip
    assert result.code == 0, result.output
    assert (tmp_path / "asked").read_text() == registry.host


def test_the_user_s_file_says_mirrors_and_whom_not_to_check(
    machine: Installation, app: Path, tmp_path: Path, installation: Installation
) -> None:
    """The builder's run image is on this machine only; its mirror is beside the destination."""
    with serve_registry(tmp_path / "plain") as plain:
        push_run_image(installation, plain)
        config = tmp_path / "config"
        config.mkdir()
        (config / "config.toml").write_text(
            f'insecure-registries = ["{plain.host}"]\n'
            f'[run-image-mirrors]\n"{RUN}" = ["{plain.host}/base/run:1"]\n'
        )
        report = tmp_path / "report.json"
        configured = machine.with_environment(**{CONFIG_VARIABLE: str(config)})
        result = configured.locald.run(
            "build", app, "--builder", BUILDER, "--tag", f"{plain.host}/team/app:1", "--publish",
            "--report", report,
        )  # fmt: skip
        assert result.code == 0, result.output
        base = layers_of(plain, "base/run:1")
    told = json.loads(report.read_text())
    assert told["run_image"]["name"] == f"{plain.host}/base/run:1"
    assert told["published"][0]["mounted_bytes"] == sum(base.values())


def test_faults_on_the_way_are_overcome(
    machine: Installation, app: Path, tmp_path: Path, installation: Installation
) -> None:
    with serve_registry(tmp_path / "plain") as plain, serve_faults(plain) as front:
        push_run_image(installation, plain)
        for method in ("GET .*manifests", "HEAD", "POST", "PATCH", "PUT"):
            front.add(Fault(method, times=1, status=503), Fault(method, times=1, reset=True))
        result = machine.locald.run(
            "build", app, "--builder", BUILDER, "--run-image", f"{front.host}/base/run:1",
            "--tag", f"{front.host}/team/app:1", "--publish", "--insecure-registry", front.host,
        )  # fmt: skip
        assert result.code == 0, result.output
        assert not [fault for fault in front.faults if fault.times]
        assert set(layers_of(plain, "base/run:1")) < set(layers_of(plain, "team/app:1"))


@pytest.mark.parametrize("end", ["signal", "time limit"])
def test_a_publication_that_is_ended_shows_nothing(
    machine: Installation, app: Path, tmp_path: Path, installation: Installation, end: str
) -> None:
    with serve_registry(tmp_path / "plain") as plain, serve_faults(plain) as front:
        push_run_image(installation, plain)
        front.add(Fault("PATCH", stall=True))
        limit = ("--timeout", "10s") if end == "time limit" else ()
        running = machine.locald.start(
            "build", app, "--builder", BUILDER, "--run-image", f"{front.host}/base/run:1",
            "--tag", f"{front.host}/team/app:1", "--publish", "--insecure-registry", front.host,
            *limit,
        )  # fmt: skip
        with running:
            assert wait_until(lambda: front.count("PATCH"), seconds=60)
            if end == "signal":
                running.send(signal.SIGINT)
            result = running.finish(seconds=40)
        assert result.code == (130 if end == "signal" else 7), result.output
        assert "Traceback" not in result.stderr
        assert not front.count("PUT .*/manifests/")
