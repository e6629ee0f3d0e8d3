"""The scripts of every pipeline, run as its system runs them: in a container without locald.

What no test here can show is that the services themselves take the files; the schemas in
tests/unit/locald/ci are for that.
"""

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import assert_never

import pytest

from locald.ci.pipeline import REPORT, CacheKind, Pipeline, System
from locald.ci.recipe import recipe
from oci.reference import Reference
from tests.e2e.nested.conftest import Images
from tests.support.ci_scripts import scripts_of
from tests.support.outer_container import OuterContainer, OuterImage
from tests.support.registry import PASSWORD, USER, Registry, serve_registry

pytestmark = pytest.mark.timeout(300)

# The host's loopback, seen from a container whose network is slirp4netns.
_HOST = "10.0.2.2"
_JOB = "/job"
# With a layer for the cache.
_BUILD = """\
mkdir "$CNB_LAYERS_DIR/kept"
echo kept >"$CNB_LAYERS_DIR/kept/file"
printf '[types]\\ncache = true\\n' >"$CNB_LAYERS_DIR/kept.toml"
"""
_LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("ci") / "registry", login=True) as server:
        yield server


@pytest.fixture(scope="module")
def job(
    outer: OuterImage, wheels: Path, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OuterContainer]:
    """One container for all systems: only the first one installs locald in it."""
    folder = tmp_path_factory.mktemp("job")
    _make_repository(folder / "repository")
    options = (
        *("--network", "slirp4netns:allow_host_loopback=true"),
        *("--volume", f"{wheels}:/wheels:ro", "--volume", f"{images.folder}:/images:ro"),
        *("--volume", f"{folder}:{_JOB}", "--env", "PIP_NO_INDEX=1"),
        *("--env", "PIP_FIND_LINKS=/wheels"),
    )
    with outer.container(f"locald-ci-{secrets.token_hex(4)}", *options) as container:
        yield container
    outer.remove_tree(folder)


@pytest.mark.parametrize("system", list(System))
def test_the_scripts_of_a_pipeline_build_and_push(
    system: System, job: OuterContainer, registry: Registry, images: Images
) -> None:
    host = f"{_HOST}:{registry.host.rpartition(':')[2]}"
    pipeline = Pipeline(
        image=Reference.parse(f"{host}/team/{system}"),
        branch="main",
        path=".",
        requirement="locald",  # of the folder of wheels, and of nowhere else
        cache=CacheKind.IMAGE,
        flags=(*images.flags("/images"), "--insecure-registry", host),
    )
    folder = f"{_JOB}/{system}"
    revision = _checked_out(job, folder)
    if system is System.TEKTON:
        _mount_secret(job, host)
    output = ""
    for script in scripts_of(system, recipe(system, pipeline)):
        variables = _variables(system, pipeline, folder, revision)
        env = tuple(f"{name}={value}" for name, value in variables.items())
        ended = job.run(*script.argv, stdin=script.text, env=env, cwd=folder)
        output += ended.output
        assert ended.code == 0, output
    assert PASSWORD not in output
    assert _LOGIN not in output
    tags = _tags(registry, f"team/{system}")
    assert tags == {revision, "latest", "cache"}, output
    source = "/workspace/source" if system is System.TEKTON else folder
    report = json.loads(job.run("cat", f"{source}/{REPORT}").output)
    assert any(f"team/{system}:{revision}" in name for name in json.dumps(report).split('"'))


def _variables(system: System, pipeline: Pipeline, folder: str, revision: str) -> Mapping[str, str]:
    """What the system, and the file's own `env` and `environment`, would put in."""
    common = {"IMAGE": pipeline.image.name, "HOME": "/root"}
    login = {"REGISTRY_USER": USER, "REGISTRY_PASSWORD": PASSWORD}
    match system:
        case System.GITHUB:
            own = {**login, "REVISION": revision, "RUNNER_TEMP": "/tmp/runner"}
        case System.GITLAB:
            own = {**login, "REVISION": revision, "LOCALD_DATA_DIR": f"{_JOB}/.locald"}
        case System.WOODPECKER:
            own = {**login, "REVISION": revision}
        case System.JENKINS:
            own = {**login, "REVISION": revision, "WORKSPACE_TMP": f"{folder}@tmp"}
        case System.TEKTON:
            own = {
                "REPOSITORY": f"{_JOB}/repository",
                "BRANCH": "main",
                "REVISION_RESULT": "/tmp/revision",
                "LOCALD_DATA_DIR": f"{_JOB}/.locald",
            }
        case _:
            assert_never(system)
    return {**common, **own}


def _checked_out(job: OuterContainer, folder: str) -> str:
    """A clone of the repository, as systems make it before the first step; its commit."""
    cloned = job.run("git", "clone", "-q", f"{_JOB}/repository", folder)
    assert cloned.code == 0, cloned.output
    return job.run("git", "-C", folder, "rev-parse", "HEAD").output.strip()


def _mount_secret(job: OuterContainer, host: str) -> None:
    """As Kubernetes does with one of the type kubernetes.io/dockerconfigjson."""
    assert job.run("mkdir", "/auth").code == 0
    text = json.dumps({"auths": {host: {"auth": _LOGIN}}})
    assert job.run("tee", "/auth/.dockerconfigjson", stdin=text).code == 0


def _make_repository(folder: Path) -> None:
    folder.mkdir()
    (folder / "build.sh").write_text(_BUILD)
    git = ("git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "First")):
        subprocess.run((*git, *words), check=True, capture_output=True)


def _tags(registry: Registry, repository: str) -> set[str]:
    folder = registry.data / "docker/registry/v2/repositories" / repository / "_manifests/tags"
    return {path.name for path in folder.iterdir()}
