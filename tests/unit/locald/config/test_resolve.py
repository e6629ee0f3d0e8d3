from pathlib import Path

import pytest

from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.build_flags import BuildFlags
from locald.config.default_builder import DEFAULT_BUILDER, DEFAULT_BUILDER_ELSEWHERE
from locald.config.ignore import SourceRules
from locald.config.image_component import image_component
from locald.config.pull_policy import PullPolicy
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "My App"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def requests(
    project: Path,
    flags: BuildFlags | None = None,
    *,
    locald: str | None = None,
    descriptor: str | None = None,
    user: str | None = None,
    environ: dict[str, str] | None = None,
) -> tuple[BuildRequest, ...]:
    config = project.parent / "config"
    config.mkdir(exist_ok=True)
    for file, text in (
        (project / "locald.toml", locald),
        (project / "project.toml", descriptor),
        (config / "config.toml", user),
    ):
        if text is not None:
            file.write_text(text)
    paths = Paths.from_environment({"HOME": "/x", "LOCALD_CONFIG_DIR": str(config)})
    return read_requests(flags or BuildFlags(), paths, environ or {})


def request(
    project: Path,
    flags: BuildFlags | None = None,
    *,
    locald: str | None = None,
    descriptor: str | None = None,
    user: str | None = None,
    environ: dict[str, str] | None = None,
) -> BuildRequest:
    (only,) = requests(
        project, flags, locald=locald, descriptor=descriptor, user=user, environ=environ
    )
    return only


def buildpack(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "buildpack.toml").write_text("")
    return folder


def test_a_bare_folder_is_a_project(project: Path) -> None:
    made = request(project, BuildFlags(platform="linux/amd64"))
    assert made.app_dir == project
    assert made.service is None
    assert made.names == (Reference("localhost", "my-app", "latest"),)
    assert made.builder == Reference.parse(DEFAULT_BUILDER)
    assert made.pull_policy is PullPolicy.IF_NOT_PRESENT
    assert made.network is Network.PRIVATE
    assert made.runtime is None
    assert made.origins["builder"] == "default"
    assert made.origins["project_name"] == "the folder's name"


def test_the_default_builder_exists_for_the_platform(project: Path) -> None:
    made = request(project, BuildFlags(platform="linux/arm64"))
    assert made.builder == Reference.parse(DEFAULT_BUILDER_ELSEWHERE)
    assert made.platform == Platform("linux", "arm64")


def test_the_builder_comes_from_the_nearest_source(project: Path) -> None:
    user = 'default-builder = "oci:builders/mine"\n'
    made = request(project, user=user)
    assert made.builder == ImageLocation.layout(project.parent / "config/builders/mine")
    assert made.origins["builder"] == f"{project.parent}/config/config.toml: default-builder"

    made = request(project, descriptor='[io.buildpacks]\nbuilder = "descriptor/b"\n')
    assert made.builder == Reference.parse("descriptor/b:latest")
    assert made.origins["builder"] == "project.toml: io.buildpacks.builder"

    made = request(project, locald='[service.web.build]\nbuilder = "locald/b"\n')
    assert made.builder == Reference.parse("locald/b:latest")
    assert made.origins["builder"] == "locald.toml: service.web.build.builder"

    made = request(project, BuildFlags(builder="flag/b:1"))
    assert made.builder == Reference.parse("flag/b:1")
    assert made.origins["builder"] == "--builder"


def test_names(project: Path) -> None:
    one = '[project]\nname = "Shop"\n[service.web]\nbuild = true\n'
    two = one + "[services.api]\nbuild = true\n[service.db]\ntype = 'postgres'\n"
    assert request(project, locald=one).names == (Reference("localhost", "shop", "latest"),)
    assert [str(r.names[0]) for r in requests(project, locald=two)] == [
        "localhost/shop-web:latest",
        "localhost/shop-api:latest",
    ]
    api = request(project, BuildFlags(service="api"))
    assert (api.service, str(api.names[0])) == ("api", "localhost/shop-api:latest")
    tagged = request(project, BuildFlags(service="api", tags=("ghcr.io/a/b:1", "x")))
    assert [str(name) for name in tagged.names] == ["ghcr.io/a/b:1", "localhost/x:latest"]


def test_env_precedence(project: Path) -> None:
    (project / "build.env").write_text("A=env_file\nB=env_file\nC=env_file\nD=env_file\n")
    (project / "flag.env").write_text("A=--env-file\nB=--env-file\nF\n")
    variables = "".join(
        f'[[io.buildpacks.build.env]]\nname = "{name}"\nvalue = "project.toml"\n'
        for name in "ABCDE"
    )
    made = request(
        project,
        BuildFlags(env=("A=--env",), env_files=(Path("flag.env"),)),
        locald='[service.web.build]\nenv_file = "build.env"\n'
        'env = { A = "env", B = "env", C = "env" }\n',
        descriptor=variables,
        environ={"F": "host"},
    )
    assert made.env == {
        "A": "--env",
        "B": "--env-file",
        "C": "env",
        "D": "env_file",
        "E": "project.toml",
        "F": "host",
    }
    assert made.origins["env.C"] == "locald.toml: service.web.build.env"
    assert made.origins["env.D"] == "build.env"


def test_user_settings_and_flags(project: Path) -> None:
    user = 'pull-policy = "always"\nruntime = "podman"\nnetwork = "host"\n'
    made = request(project, user=user)
    assert made.pull_policy is PullPolicy.ALWAYS
    assert made.runtime is RuntimeName.PODMAN
    assert made.network is Network.HOST
    made = request(project, locald='[service.web.build]\nnetwork = "none"\n')
    assert made.network is Network.NONE
    made = request(project, BuildFlags(runtime="auto", pull_policy=PullPolicy.NEVER))
    assert made.runtime is None
    assert made.pull_policy is PullPolicy.NEVER


def test_source_rules_of_locald_toml_replace_those_of_project_toml(project: Path) -> None:
    descriptor = '[io.buildpacks]\ninclude = ["src/"]\n'
    assert request(project, descriptor=descriptor).source_rules == SourceRules(
        include=("src/",), where="project.toml: io.buildpacks"
    )
    made = request(project, locald='[service.web.build]\nexclude = ["*.md"]\n')
    assert made.source_rules == SourceRules(
        exclude=("*.md",), where="locald.toml: service.web.build"
    )


def test_a_project_may_write_inside_itself_and_to_localhost(project: Path) -> None:
    made = request(
        project, locald='[service.web.build]\noutput = ["oci:out", "containers-storage:x"]\n'
    )
    assert [str(output) for output in made.outputs] == [
        f"oci:{project}/out",
        "containers-storage:localhost/x:latest",
    ]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ('network = "host"', "network: a project's file cannot open the host's network"),
        (
            'output = "docker://reg.io/x"',
            "output: docker://reg.io/x: a project's file cannot push to a registry in your name",
        ),
        ('output = "oci:../x"', "output: oci:../x is outside the project"),
        (
            'output = "oci-archive:/tmp/x.tar"',
            "output: oci-archive:/tmp/x.tar is outside the project",
        ),
        (
            'output = "containers-storage:docker.io/library/python:3"',
            "output: containers-storage:docker.io/library/python:3: a project's file cannot "
            "replace an image of docker.io in your storage",
        ),
        ('env_file = "/etc/passwd"', "env_file: /etc/passwd is outside the project"),
        ('env_file = "link"', "env_file: link is outside the project"),
        ('buildpacks = ["../bp"]', "buildpacks[0]: ../bp is outside the project"),
        ('builder = "oci:/srv/b"', "builder: oci:/srv/b is outside the project"),
        ('run_image = "dir:../r"', "run_image: dir:../r is outside the project"),
    ],
)
def test_a_project_cannot_widen_its_powers(project: Path, build: str, message: str) -> None:
    buildpack(project.parent / "bp")
    (project.parent / "secret").write_text("A=1")
    (project / "link").symlink_to("../secret")
    with pytest.raises(UsageError) as caught:
        request(project, locald=f"[service.web.build]\n{build}\n")
    assert caught.value.message == f"locald.toml: service.web.build.{message}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (BuildFlags(path=Path("nowhere")), "nowhere: no such folder"),
        (BuildFlags(path=Path("file")), "file: not a folder"),
        (BuildFlags(builder="No Ref"), "--builder: not an image reference: 'No Ref'"),
        (BuildFlags(tags=("Up:er:x",)), "--tag: not an image reference: 'Up:er:x'"),
        (BuildFlags(outputs=("ftp:x",)), "--output: not an image location: 'ftp:x'"),
        (BuildFlags(platform="amd64"), "--platform: not a platform: 'amd64'"),
        (BuildFlags(ca_cert=Path("nope.pem")), "--ca-cert: nope.pem: no such file"),
        (BuildFlags(exec_env="a b"), "--exec-env: 'a b' is not a name"),
        (BuildFlags(process_type="a/b"), "--default-process: 'a/b' is not a name"),
        (
            BuildFlags(runtime="docker"),
            "--runtime: 'docker' is not one of auto, runc, podman, bwrap",
        ),
        (BuildFlags(service="web"), "--service: locald.toml has no service 'web'"),
        (
            BuildFlags(builder="reg.io/a/b", tags=("reg.io/a/b:2",)),
            "--tag: reg.io/a/b:2 is the name of the builder",
        ),
    ],
)
def test_a_bad_flag_is_named(project: Path, flags: BuildFlags, message: str) -> None:
    (project / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        request(project, flags)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("locald", "flags", "message"),
    [
        (
            "[service.a]\nbuild = true\n[service.b]\nbuild = true\n",
            BuildFlags(tags=("x",)),
            "--tag is for one image, but 2 services are built: a, b",
        ),
        (
            "[service.a]\nbuild = true\n[service.b]\nbuild = true\n",
            BuildFlags(outputs=("oci:x",)),
            "--output is for one image, but 2 services are built: a, b",
        ),
        (
            "[service.web]\ncommand = 'x'\n",
            BuildFlags(service="web"),
            "--service: the service web is not built by buildpacks",
        ),
        (
            "[service.web]\nbuild = true\n[service.Web]\nbuild = true\n",
            BuildFlags(),
            "the services web and Web would both become my-app-web:latest",
        ),
        (
            "[service.web.build]\nenv = { 'A B' = '1' }\n",
            BuildFlags(),
            "locald.toml: service.web.build.env.A B: not a variable's name: 'A B'",
        ),
        (
            "[service.web.build]\nexclude = ['[']\n",
            BuildFlags(),
            "locald.toml: service.web.build.exclude[0]: '[' has a [ without its ]",
        ),
    ],
)
def test_a_bad_project_is_named(
    project: Path, locald: str, flags: BuildFlags, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        requests(project, flags, locald=locald)
    assert caught.value.message == message


def test_a_mistake_in_the_users_file_is_named(project: Path) -> None:
    with pytest.raises(UsageError) as caught:
        request(project, user='default_builder = "x"\n')
    assert caught.value.message.endswith("config.toml: default_builder: unknown key")
    assert caught.value.hint == 'did you mean "default-builder"?'


@pytest.mark.parametrize(
    ("text", "component"),
    [
        ("app", "app"), ("my.app_1", "my.app_1"), ("My App!", "my-app"), ("...", "app"),
        ("Ünïcode", "n-code"), ("a" * 300, "a" * 100), ("a__b", "a__b"), ("a___b", "a-b"),
    ],
)  # fmt: skip
def test_any_name_becomes_a_component(text: str, component: str) -> None:
    assert image_component(text) == component
    assert Reference.parse(f"localhost/{image_component(text)}").repository == component
