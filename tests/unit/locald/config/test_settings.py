"""What `locald config show` tells of a request."""

from pathlib import Path

import pytest

from locald.config.build_flags import BuildFlags
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.config.settings import DEFAULT, HIDDEN, Setting, settings
from locald.paths import Paths

PROJECT = """
[project]
name = "Shop"
[service.web.build]
builder = "acme/builder"
run_image = "acme/run"
previous_image = "acme/shop:1"
tags = ["shop:dev"]
platform = "linux/arm64"
process = "web"
creation_time = "git"
buildpacks = ["./bp", "a/b@1"]
extensions = ["./ext"]
lifecycle = "acme/lifecycle"
disable_system_buildpacks = true
exclude = ["*.md", "docs"]
ignore_files = [".dockerignore"]
env = { MODE = "fast" }
env_file = "build.env"
exec_env = "test"
volumes = ["data:/mnt/data"]
bindings = { db = "db" }
secrets = ["npm"]
network = "none"
workspace = "app"
timeout = "10m"
cache = ".cache"
output = ["oci:out"]
"""
USER = """
default-builder = "acme/other"
pull-policy = "never"
runtime = "podman"
insecure-registries = ["registry.example:5000"]
[registry-mirrors]
"docker.io" = "mirror.example"
[run-image-mirrors]
"acme/run" = ["mirror.example/run"]
[secrets]
npm = "src=npmrc"
"""


def request(folder: Path, locald: str = PROJECT, user: str = USER) -> BuildRequest:
    project, config = folder / "shop", folder / "config"
    for name in ("bp", "ext", "data", "db"):
        (project / name).mkdir(parents=True)
    config.mkdir()
    (project / "bp/buildpack.toml").write_text("")
    (project / "ext/extension.toml").write_text("")
    (project / "db/type").write_text("database")
    (project / "build.env").write_text("NPM_TOKEN=s3cr3t\nURL=https://me:pw@git.example/x\n")
    (project / ".dockerignore").write_text("*.log\n")
    (project / "locald.toml").write_text(locald)
    (config / "config.toml").write_text(user)
    (config / "npmrc").write_text("s3cr3t")
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(config)})
    (only,) = read_requests(BuildFlags(path=project), paths, {})
    return only


def by_name(made: BuildRequest) -> dict[str, Setting]:
    found = settings(made)
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def test_everything_that_was_said_is_there_with_its_place(tmp_path: Path) -> None:
    made = request(tmp_path)
    said = {name: one for name, one in by_name(made).items() if one.origin != DEFAULT}
    table = f"{tmp_path}/shop/locald.toml: service.web.build"
    own = f"{tmp_path}/config/config.toml"
    assert {name: one.origin.replace(table, "build") for name, one in said.items()} == {
        "project": f"{tmp_path}/shop/locald.toml: project.name",
        **{
            name: f"build.{name}"
            for name in (
                "tags", "builder", "run_image", "previous_image", "platform", "process",
                "creation_time", "buildpacks", "extensions", "lifecycle", "ignore_files",
                "exec_env", "network", "workspace", "cache", "output", "bindings.db",
            )
        },
        "system_buildpacks": "build.disable_system_buildpacks",
        "exclude": "build",
        "env.MODE": "build.env",
        "env.NPM_TOKEN": f"{tmp_path}/shop/build.env",
        "env.URL": f"{tmp_path}/shop/build.env",
        "volumes./mnt/data": "build.volumes",
        "timeout_seconds": "build.timeout",
        "pull_policy": f"{own}: pull-policy",
        "runtime": f"{own}: runtime",
        "insecure-registries": f"{own}: insecure-registries",
        "registry-mirrors": f"{own}: registry-mirrors",
        "run-image-mirrors": f"{own}: run-image-mirrors",
        "missing_secrets": "build.secrets",
    }  # fmt: skip


def test_every_origin_belongs_to_something_that_is_shown(tmp_path: Path) -> None:
    made = request(tmp_path)
    shown = {one.origin for one in settings(made)}
    assert {origin for name, origin in made.origins.items() if name != "project_name"} <= shown


def test_values_are_plain_data(tmp_path: Path) -> None:
    found = by_name(request(tmp_path))
    assert found["builder"].value == "docker.io/acme/builder:latest"
    assert found["buildpacks"].value == [f"{tmp_path}/shop/bp", "a/b@1"]
    assert found["lifecycle"].value == "docker.io/acme/lifecycle:latest"
    assert found["exclude"].lines == ("*.md", "docs")
    assert found["volumes./mnt/data"].value == {
        "source": f"{tmp_path}/shop/data",
        "read_only": True,
    }
    assert found["registry-mirrors"].lines == ("docker.io = mirror.example",)
    assert found["include"].lines == ("-",)
    assert found["system_buildpacks"].lines == ("no",)
    assert found["uid"].lines == ("the builder's",)


def test_what_nobody_should_read_is_not_there(tmp_path: Path) -> None:
    found = by_name(request(tmp_path))
    assert found["env.NPM_TOKEN"].value == HIDDEN
    assert found["env.URL"].value == "https://git.example/x"
    assert found["missing_secrets"].value == {"npm": "--secret id=npm"}
    assert "s3cr3t" not in str(found)
    assert "pw@" not in str(found)


@pytest.mark.parametrize("name", ["API_KEY", "DB_PASSWORD", "GH_PAT", "AUTH_HEADER", "token"])
def test_credentials_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    text = f"[service.web.build]\nbuilder = 'a/b'\nenv = {{ {name} = 's3cr3t', KEYBOARD = 'de' }}\n"
    found = by_name(request(tmp_path, text, ""))
    assert found[f"env.{name}"].value == HIDDEN
    assert found["env.KEYBOARD"].value == "de"
