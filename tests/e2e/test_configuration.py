"""Builds that files tell what to do: the project's locald.toml, the user's config.toml."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from locald.paths import CONFIG_VARIABLE
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registry_clients import RegistryClients
from oci.skopeo import Skopeo
from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import BUILDER, Installation
from tests.support.registry import Registry, registry

__all__ = ["registry"]

MIRRORED = "registry.acme.example"

# What the build sees, into the image.
LOOKS = (
    BUILDS
    + """
{
    echo "MODE=$(cat /platform/env/MODE)"
    echo "FROM_FILE=$(cat /platform/env/FROM_FILE)"
    echo "exec_env=$CNB_EXEC_ENV"
    echo "app=$PWD"
    echo "volume=$(cat /mnt/data/file)"
    echo "binding=$(cat "$CNB_PLATFORM_DIR/bindings/db/host")"
    echo "source=$(ls -A | sort | tr '\\n' ' ')"
    echo "network=$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | tr '\\n' ' ')"
} >"$CNB_LAYERS_DIR/made/seen"
"""
)
KEYS = """
[project]
name = "{name}"
[service.web.build]
builder = "{builder}"
buildpacks = ["./bp"]
platform = "{platform}"
process = "web"
creation_time = 1700000000
include = ["index.html", "kept.*", "!kept.not"]
env = {{ MODE = "fast" }}
env_file = "build.env"
exec_env = "test"
volumes = ["data:/mnt/data"]
bindings = {{ db = "db" }}
network = "none"
workspace = "shop"
timeout = "5m"
cache = ".cache"
output = ["oci:out", "oci-archive:image.tar"]
"""


@pytest.fixture
def user(installation: Installation, tmp_path: Path) -> Installation:
    """With a config.toml of its own."""
    folder = tmp_path / "config"
    changed = installation.with_environment(**{CONFIG_VARIABLE: str(folder)})
    return replace(changed, paths=replace(changed.paths, config_dir=folder))


@pytest.fixture
def project(make: AppMaker, installation: Installation) -> Path:
    app = make()
    BuildpackFolder.make(app / "bp", build=LOOKS)
    descriptor = app / "bp/buildpack.toml"
    # The first that is told the execution environment.
    descriptor.write_text(descriptor.read_text().replace('"0.10"', '"0.12"'))
    for name, text in {
        "data/file": "a volume",
        "db/type": "database",
        "db/host": "db.example",
        "build.env": "FROM_FILE=yes\n",
        "kept.txt": "",
        "kept.not": "",
        "other.txt": "",
    }.items():
        path = app / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (app / "locald.toml").write_text(
        KEYS.format(
            name=f"{installation.prefix}-{app.name}", builder=BUILDER, platform=Platform.of_host()
        )
    )
    return app


@pytest.fixture
def forget(installation: Installation) -> Iterator[None]:
    """The store's names that begin with the session's prefix, without a folder of their own."""
    yield
    for path in (installation.paths.store / "refs/localhost").glob(f"{installation.prefix}-*"):
        shutil.rmtree(path)


@pytest.fixture
def forget_registries(installation: Installation, registry: Registry) -> Iterator[None]:
    """The store's names of the test's registry, and of the one that it stands for."""
    yield
    for host in (registry.host, MIRRORED):
        shutil.rmtree(installation.paths.store / "refs" / host, ignore_errors=True)


@pytest.mark.usefixtures("forget")
def test_the_keys_of_a_service_decide_about_its_build(
    user: Installation, project: Path, tmp_path: Path
) -> None:
    result = user.locald.run("build", project, "--verbose")
    assert result.code == 0, result.output
    name = f"localhost/{user.prefix}-{project.name}"
    assert result.stdout.startswith(f"{name}@sha256:")
    image = user.layout_of(name).read()
    assert image.config.config.working_dir == "/shop"
    assert Layout(project / "out").read().digest == image.digest
    assert (project / "image.tar").is_file()
    assert any((project / ".cache").iterdir())

    seen = subprocess.run(
        ["tar", "-xOf", _layer(user, name, "made"), "--wildcards", "*/made/seen"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert seen.splitlines() == [
        "MODE=fast",
        "FROM_FILE=yes",
        "exec_env=test",
        "app=/shop",
        "volume=a volume",
        "binding=db.example",
        "source=index.html kept.txt ",
        "network=lo ",
    ]
    assert image.config.created == "2023-11-14T22:13:20Z"


def _layer(user: Installation, name: str, words: str) -> str:
    """The blob of the layer that the test's buildpack made."""
    layout = user.layout_of(name)
    image = layout.read()
    history = [entry for entry in image.config.history or () if not entry.empty_layer]
    (index,) = [i for i, entry in enumerate(history) if f"'{words}'" in (entry.created_by or "")]
    return str(layout.blob_path(image.layer_digests[index]))


@pytest.mark.usefixtures("forget")
def test_show_says_what_the_build_will_do(user: Installation, project: Path) -> None:
    shown = user.locald.run("config", "show", project, "--json")
    assert shown.code == 0, shown.output
    (web,) = json.loads(shown.stdout)
    settings = web["settings"]
    key = f"{project}/locald.toml: service.web.build"
    assert settings["network"] == {"value": "none", "from": f"{key}.network"}
    assert settings["workspace"]["value"] == "shop"
    assert settings["cache"]["value"] == f"{project}/.cache"
    assert settings["volumes./mnt/data"]["value"]["source"] == f"{project}/data"


def test_defaults_of_the_user_hold_for_every_project(user: Installation, app: Path) -> None:
    run = user.locald.run
    for words in (
        ("default-builder", BUILDER),
        ("network", "none"),
        ("timeout", "5m"),
        ("pull-policy", "never"),
    ):
        assert run("config", "set", *words).code == 0
    name = f"{user.prefix}/{app.name}"
    result = run("build", app, "--tag", name, "--output", f"oci:{app}-out", "--verbose")
    assert result.code == 0, result.output
    config = user.paths.user_config
    assert f"builder: from {config}: default-builder" in result.stderr
    assert f"timeout_seconds: from {config}: timeout" in result.stderr

    assert run("config", "unset", "default-builder").code == 0
    refused = run("build", app, "--tag", name)
    assert refused.code == 4, refused.output
    assert "is not in the store, and --pull-policy is never" in refused.stderr


@pytest.mark.usefixtures("forget")
def test_a_project_names_its_image_in_a_registry_and_publish_pushes_there(
    user: Installation, app: Path, registry: Registry
) -> None:
    local = f"{user.prefix}-{app.name}"
    wanted = registry.reference(f"team/{app.name}:1")
    (app / "locald.toml").write_text(
        f'[project]\nname = "{local}"\n[service.web.build]\nbuilder = "{BUILDER}"\n'
        f'tags = ["{wanted}"]\n'
    )
    run = user.locald.run
    assert run("config", "set", "insecure-registries", registry.host).code == 0

    here = run("build", app, "--output", f"oci:{app}-out")
    assert here.code == 0, here.output
    assert here.stdout.startswith(f"localhost/{local}@sha256:")
    assert f"tags: with --publish only: {wanted}; here the image is {local}" in here.stderr
    assert registry.requests() == []

    published = run("build", app, "--publish")
    assert published.code == 0, published.output
    assert published.stdout == f"{wanted.name}@{here.digest}\n"
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(wanted)
    assert found is not None
    assert str(found.digest) == here.digest
    # Nobody here knows the image by the name that a stranger's file gave it.
    assert user.store.find(wanted, Platform.of_host()) is None
    assert user.store.find(Reference.parse(f"localhost/{local}:latest"), Platform.of_host())


def test_volumes_and_secrets_of_the_user_reach_a_build(
    user: Installation, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("from the host")
    (tmp_path / "npmrc").write_text("s3cr3t-of-the-user")
    looks = (
        '[[ $(cat /mnt/shared/file) = "from the host" ]]\n'
        "[[ $(wc -c </run/secrets/npm) = 18 ]]\n"  # itself, it would be found in what is built
        "[[ ! -e /run/secrets/other ]]\n"
    )
    BuildpackFolder.make(app / "bp", build=looks + BUILDS)
    (app / "locald.toml").write_text(
        '[service.web.build]\nbuildpacks = ["./bp"]\nsecrets = ["npm"]\n'
    )
    for words in (
        ("volumes", f"{tmp_path}/shared:/mnt/shared"),
        ("secrets.npm", f"src={tmp_path}/npmrc"),
        ("secrets.other", f"src={tmp_path}/npmrc"),
    ):
        assert user.locald.run("config", "set", *words).code == 0
    user.build(app, "--secret", "id=npm")
    refused = user.try_build(app)
    assert refused.code == 2
    assert "locald.toml: service.web.build.secrets: the build needs the secret npm" in (
        refused.stderr
    )


@pytest.mark.usefixtures("forget_registries")
def test_mirrors_of_the_user_are_asked(
    user: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    run_image = BUILDER.replace("/builder", "/run")
    stored = user.layout_of(run_image)
    Skopeo(CommandRunner(), registry.registries).copy(
        ImageLocation.layout(stored.path, "latest"),
        registry.location("base/run:1"),
        platform=Platform.of_host(),
    )
    for words in (
        ("insecure-registries", registry.host),
        (f"registry-mirrors.{MIRRORED}", registry.host),
        (f"run-image-mirrors.{run_image}", str(registry.reference("base/run:1"))),
    ):
        assert user.locald.run("config", "set", *words).code == 0

    since = len(registry.asked())
    user.build(app, "--run-image", f"{MIRRORED}/base/run:1", "--pull-policy", "always")
    assert any("/base/run/manifests/1" in asked.path for asked in registry.asked()[since:])

    report = tmp_path / "report.json"
    tag = str(registry.reference(f"team/{app.name}:1"))
    argv = ("build", app, "-B", BUILDER, "--tag", tag, "--publish", "--report", report)
    published = user.locald.run(*argv)
    assert published.code == 0, published.output
    told = json.loads(report.read_text())
    assert told["run_image"]["name"] == str(registry.reference("base/run:1"))
