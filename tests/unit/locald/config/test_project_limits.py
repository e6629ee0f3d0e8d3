"""A project may come from a stranger: what its locald.toml asks for in vain, key by key."""

from pathlib import Path

import pytest

from lifecycle.runtime.spec import Network
from locald.config.build_flags import BuildFlags
from locald.config.key_meaning import MEANINGS
from locald.config.locald_toml import Build
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError

OUTSIDE = "is outside the project"
# Every key whose value could reach out of the build's containers: what is tried, what is said.
# `secret` is a file beside the project, `link` and `folder` are links out of it.
HOSTILE = [
    ("builder", '"oci:/srv/builder"', OUTSIDE),
    ("builder", '"oci:../builder"', OUTSIDE),
    ("builder", '"oci:folder"', OUTSIDE),
    ("run_image", '"dir:../image"', OUTSIDE),
    ("run_image", '"oci-archive:link"', OUTSIDE),
    ("previous_image", '"oci:/srv/image"', OUTSIDE),
    ("previous_image", '"oci:folder/image"', OUTSIDE),
    ("buildpacks", '["../buildpack"]', OUTSIDE),
    ("buildpacks", '["folder/buildpack"]', OUTSIDE),
    ("buildpacks", '["http://host.example/a.tgz"]', "can name https addresses only"),
    ("pre", '["/srv/buildpack"]', "no such file"),
    ("pre", '["../buildpack"]', OUTSIDE),
    ("post", '["folder/buildpack"]', OUTSIDE),
    ("extensions", '["../buildpack"]', OUTSIDE),
    ("extensions", '["oci:/srv/x"]', OUTSIDE),
    ("lifecycle", '"../buildpack"', OUTSIDE),
    ("lifecycle", '"folder/buildpack"', OUTSIDE),
    ("ignore_files", '["../secret"]', OUTSIDE),
    ("ignore_files", '"/etc/passwd"', OUTSIDE),
    ("ignore_files", '"link"', OUTSIDE),
    ("env_file", '"/etc/passwd"', OUTSIDE),
    ("env_file", '["build.env", "../secret"]', OUTSIDE),
    ("env_file", '"link"', OUTSIDE),
    ("env_file", '"from-environment.env"', "HOME has no value"),
    ("env", '{ CNB_PLATFORM_API = "0.1" }', "CNB_PLATFORM_API"),
    ("volumes", '["/etc:/mnt/etc"]', OUTSIDE),
    ("volumes", '["..:/mnt/all"]', OUTSIDE),
    ("volumes", '["~:/mnt/home"]', OUTSIDE),
    ("volumes", '["folder:/mnt/x"]', OUTSIDE),
    ("volumes", '["src:/mnt/src:rw"]', "cannot let a build write to your files"),
    ("volumes", '["src:/cnb"]', "nothing can be mounted at /cnb"),
    ("bindings", '{ db = "/etc" }', OUTSIDE),
    ("bindings", '{ db = "../binding" }', OUTSIDE),
    ("bindings", '{ db = "folder/binding" }', OUTSIDE),
    ("bindings", '{ db = "binding-with-link" }', "leads out of"),
    ("bindings", '{ "../db" = "binding" }', "not a binding's name"),
    ("secrets", '["id=x,src=/etc/passwd"]', "not a secret's id"),
    ("secrets", '["../x"]', "not a secret's id"),
    ("network", '"host"', "cannot open the host's network"),
    ("workspace", '"../x"', "is not a name"),
    ("workspace", '"etc"', "is not free"),
    ("cache", '"/var/tmp/cache"', OUTSIDE),
    ("cache", '"../cache"', OUTSIDE),
    ("cache", '"folder"', OUTSIDE),
    ("cache", '".git/modules"', "cannot let a build write there"),
    ("cache", '"a/../../x"', OUTSIDE),
    ("output", '"docker://registry.example/app"', "cannot push to a registry in your name"),
    ("output", '["oci:ok", "docker://registry.example/app"]', "cannot push to a registry"),
    ("output", '"containers-storage:docker.io/library/python:3"', "cannot replace an image of"),
    ("output", '"containers-storage:locald/builder"', "cannot take a name of locald's own"),
    ("output", '"oci-archive:/tmp/x.tar"', OUTSIDE),
    ("output", '"dir:../x"', OUTSIDE),
    ("output", '"docker-archive:link"', OUTSIDE),
    ("output", '"oci-archive:.git/config"', "cannot let a build write there"),
    ("output", '"oci:.GIT/hooks"', "cannot let a build write there"),
    ("tags", '["localhost/locald/builder:embedded"]', "cannot take a name of locald's own"),
    ("tags", '["acme/builder"]', "is the name of the builder"),
]  # fmt: skip
# What they decide stays within the image and the build's own containers, or can only do less.
HARMLESS = {
    "platform", "process", "creation_time", "disable_system_buildpacks", "include", "exclude",
    "exec_env", "timeout", "memory", "pids", "max_disk",
}  # fmt: skip
# Decided by the command line and the user's own file alone: no key of a project is about them.
NO_KEY = {
    "pull_policy", "runtime", "registry_mirrors", "insecure_registries", "authfile", "publish",
    "ca_cert", "cert_dir", "cache_image", "cache_from", "report", "uid", "gid", "jobs",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    for path in (folder / "src", folder / "binding", folder / ".git/modules"):
        path.mkdir(parents=True)
    for outside in ("buildpack", "image"):
        (tmp_path / outside / "bin").mkdir(parents=True)
        (tmp_path / outside / "buildpack.toml").write_text("")
    (tmp_path / "binding").mkdir()
    for binding in (tmp_path / "binding", folder / "binding"):
        (binding / "type").write_text("database")
    (tmp_path / "secret").write_text("A=1")
    (folder / "build.env").write_text("A=1\n")
    (folder / "from-environment.env").write_text("HOME\n")
    (folder / "link").symlink_to("../secret")
    (folder / "folder").symlink_to("..")
    (folder / "binding-with-link").mkdir()
    (folder / "binding-with-link/type").write_text("database")
    (folder / "binding-with-link/password").symlink_to("../../secret")
    monkeypatch.chdir(folder)
    return folder


def request(project: Path, text: str, *, user: str = "") -> BuildRequest:
    config = project.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "config.toml").write_text(user)
    (project / "locald.toml").write_text(text)
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(config)})
    (only,) = read_requests(BuildFlags(), paths, {"HOME": "/home/me", "TOKEN": "s3cr3t"})
    return only


def test_every_key_is_tried_or_known_to_be_harmless() -> None:
    tried = {key for key, _, _ in HOSTILE}
    assert not tried & HARMLESS
    assert tried | HARMLESS == set(Build.__struct_fields__) == set(MEANINGS[Build])


@pytest.mark.parametrize("path", ["..", "/etc", "folder", "src/../.."])
def test_a_service_s_source_is_inside_the_project(project: Path, path: str) -> None:
    with pytest.raises(UsageError, match=OUTSIDE) as caught:
        request(project, f'[service.web]\npath = "{path}"\nbuild = true\n')
    assert "locald.toml: service.web.path: " in caught.value.message


def test_policy_has_no_key() -> None:
    assert not NO_KEY & set(Build.__struct_fields__)


@pytest.mark.parametrize(("key", "value", "message"), HOSTILE)
def test_a_key_reaches_nothing_of_the_host(
    project: Path, key: str, value: str, message: str
) -> None:
    builder = "" if key == "builder" else 'builder = "localhost/acme/builder"\n'
    with pytest.raises(UsageError, match=message) as caught:
        request(project, f"[service.web.build]\n{builder}{key} = {value}\n")
    place = "from-environment.env:1" if "from-environment" in value else f"build.{key}"
    assert place in caught.value.message


def test_what_is_inside_is_given(project: Path) -> None:
    (project / "bp").mkdir()
    (project / "bp/buildpack.toml").write_text("")
    made = request(
        project,
        '[service.web.build]\nbuilder = "oci:builder"\nbuildpacks = ["./bp"]\ncache = ".cache"\n'
        'env_file = "build.env"\nvolumes = ["src:/mnt/src"]\nbindings = { db = "binding" }\n'
        'output = ["oci:out", "containers-storage:shop"]\nnetwork = "none"\n',
    )
    assert made.env == {"A": "1"}
    assert made.caching.folder == project / ".cache"
    assert made.network is Network.NONE


def test_the_user_s_own_file_is_narrowed_and_never_widened(project: Path) -> None:
    strict = 'network = "none"\ntimeout = "10m"\n'
    lax = 'network = "host"\ntimeout = "10m"\n'
    build = '[service.web.build]\nnetwork = "private"\n'
    made = request(project, build + 'timeout = "2h"\n', user=strict)
    assert (made.network, made.timeout_seconds) == (Network.NONE, 600)
    made = request(project, build + 'timeout = "1m"\n', user=lax)
    assert (made.network, made.timeout_seconds) == (Network.PRIVATE, 60)


@pytest.mark.parametrize(
    ("services", "flags", "message"),
    [
        (
            '[service.web.build]\ncache = ".cache"\noutput = "oci:.cache/0/build/link"\n',
            BuildFlags(),
            "web.build.output: {project}/.cache/0/build/link is in the cache {project}/.cache",
        ),
        (
            '[service.web.build]\ncache = ".cache"\n'
            '[service.api.build]\ncache = ".cache/web-0/build/link"\n',
            BuildFlags(),
            "api.build.cache: {project}/.cache/web-0/build/link is in the cache {project}/.cache",
        ),
        (
            '[service.web.build]\noutput = "oci-archive:src/link/image.tar"\n',
            BuildFlags(volumes=("src:/mnt/src:rw",)),
            "web.build.output: {project}/src/link/image.tar is in the volume {project}/src",
        ),
        (
            '[service.web.build]\ncache = "src"\n',
            BuildFlags(volumes=("src:/mnt/src:rw",)),
            "web.build.cache: {project}/src is in the volume {project}/src",
        ),
    ],
)
def test_a_program_of_a_build_cannot_lead_a_later_write_elsewhere(
    project: Path, services: str, flags: BuildFlags, message: str
) -> None:
    (project / "locald.toml").write_text(services)
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    with pytest.raises(UsageError) as caught:
        read_requests(flags, paths, {})
    told = message.format(project=project)
    assert caught.value.message == f"locald.toml: service.{told}, where builds write"


def test_services_may_share_a_folder_of_caches(project: Path) -> None:
    (project / "locald.toml").write_text(
        '[service.web.build]\ncache = ".cache"\noutput = "oci:out/web"\n'
        '[service.api.build]\ncache = ".cache"\noutput = "oci:out/api"\n'
    )
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    assert len(read_requests(BuildFlags(), paths, {})) == 2


def test_a_table_that_is_no_build_is_no_way_around(project: Path) -> None:
    for text, message in (
        ("[build]\nnetwork = 'host'", "build: unknown key"),
        ("[project.build]\nvolumes = ['/:/mnt']", "project.build: unknown key"),
        ("[service.web.build]\nregistry-mirrors = { a = 'b' }", "registry-mirrors: unknown key"),
        ("[service.web.build]\npublish = true", "publish: unknown key"),
        ("[service.web.build]\nruntime = 'podman'", "runtime: unknown key"),
    ):
        with pytest.raises(UsageError, match=message):
            request(project, text)
