"""Volumes, bindings, secrets and containers: which source says what, and may."""

from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import Mount
from locald.config.build_flags import BuildFlags
from locald.config.creation_time import Moment
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.config.secret import SecretSource
from locald.paths import Paths
from oci.errors import UsageError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    (folder / "data").mkdir(parents=True)
    binding = folder / "bindings/db"
    binding.mkdir(parents=True)
    (binding / "type").write_text("maven")
    (tmp_path / "config").mkdir()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(folder)
    return folder


def request(
    project: Path,
    flags: BuildFlags | None = None,
    *,
    build: str = "",
    user: str = "",
    environ: dict[str, str] | None = None,
) -> BuildRequest:
    (project / "locald.toml").write_text(f"[service.web.build]\n{build}\n")
    config = project.parent / "config"
    (config / "config.toml").write_text(user)
    paths = Paths.from_environment({"HOME": "/x", "LOCALD_CONFIG_DIR": str(config)})
    (made,) = read_requests(flags or BuildFlags(), paths, environ or {})
    return made


def mount(source: Path, target: str, *, read_only: bool = True) -> Mount:
    return Mount(source=source, target=PurePosixPath(target), read_only=read_only)


def test_volumes_of_all_three(project: Path) -> None:
    made = request(
        project,
        BuildFlags(volumes=("data:/a:rw", "../other:/b")),
        build='volumes = ["data:/b", "./data:/c:ro"]',
        user='volumes = ["../other:/c:rw", "../other:/d:rw"]',
    )
    other = project.parent / "other"
    assert made.mounts.volumes == (
        mount(project / "data", "/a", read_only=False),
        mount(other, "/b"),
        mount(project / "data", "/c"),
        mount(other, "/d", read_only=False),
    )
    assert made.origins["volumes./b"] == "--volume"
    assert made.origins["volumes./c"] == "locald.toml: service.web.build.volumes"
    assert made.origins["volumes./d"] == f"{project.parent}/config/config.toml: volumes"


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ("../other:/x", "../other:/x is outside the project"),
        ("/etc:/x", "/etc:/x is outside the project"),
        ("data:/x:rw", "data:/x:rw: a project's file cannot let a build write to your files"),
        ("escape:/x", "escape:/x is outside the project"),
        ("data:/layers/x", "nothing can be mounted at /layers/x: /layers is the build's own"),
    ],
)
def test_a_project_gets_nothing_from_outside(project: Path, volume: str, message: str) -> None:
    (project / "escape").symlink_to("../other")
    with pytest.raises(UsageError) as caught:
        request(project, build=f'volumes = ["data:/ok", "{volume}"]')
    assert caught.value.message == f"locald.toml: service.web.build.volumes[1]: {message}"


def test_a_place_given_twice(project: Path) -> None:
    with pytest.raises(UsageError, match=r"--volume: /x is given twice"):
        request(project, BuildFlags(volumes=("data:/x", "../other:/x/")))


def test_a_volume_below_the_source_is_told(project: Path) -> None:
    made = request(project, BuildFlags(volumes=("data:/workspace/node_modules:rw",)))
    (note,) = made.notes
    assert "/workspace/node_modules does not become a part of the image" in note


def test_bindings(project: Path) -> None:
    made = request(project, build='bindings = { db = "bindings/db" }')
    assert [(b.name, b.type) for b in made.mounts.bindings] == [("db", "maven")]
    own = project.parent / "other"
    (own / "type").write_text("npmrc")
    made = request(
        project, BuildFlags(bindings=("db=../other",)), build='bindings = { db = "bindings/db" }'
    )
    assert [(b.folder, b.type) for b in made.mounts.bindings] == [(own, "npmrc")]
    assert made.origins["bindings.db"] == "--binding"


@pytest.mark.parametrize(
    ("flags", "build", "message"),
    [
        (("db",), "", "--binding: 'db' is not a binding"),
        (("DB=x",), "", "--binding: not a binding's name: 'DB'"),
        (("db=data",), "", "--binding: the binding db: "),
        (("db=nowhere",), "", "/app/nowhere: no such file or directory"),
        (("db=bindings/db", "db=bindings/db"), "", "--binding: the binding db is given twice"),
        ((), 'bindings = { db = "../other" }',
         "locald.toml: service.web.build.bindings.db: ../other is outside the project"),
    ],
)  # fmt: skip
def test_bad_bindings(project: Path, flags: tuple[str, ...], build: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(project, BuildFlags(bindings=flags), build=build)
    assert message in caught.value.message


def test_a_volume_where_a_binding_is(project: Path) -> None:
    flags = BuildFlags(
        bindings=("db=bindings/db",), volumes=("data:/platform/bindings/db/password",)
    )
    with pytest.raises(UsageError, match="is where the binding db is"):
        request(project, flags)


def test_secrets_come_from_the_user(project: Path) -> None:
    needs = 'secrets = ["npm"]'
    flags = BuildFlags(secrets=("id=npm,src=x", "id=two,env=TOKEN"))
    made = request(project, flags, build=needs, environ={"TOKEN": "s3cr3t-s3cr3t"})
    assert made.mounts.secrets == (
        SecretSource(id="npm", origin="--secret", path=project / "x"),
        SecretSource(id="two", origin="--secret", variable="TOKEN"),
    )
    assert "s3cr3t" not in repr(made)
    made = request(
        project,
        BuildFlags(secrets=("id=npm",)),
        build=needs,
        user='[secrets]\nnpm = "src=npmrc"\nother = "env=X"\n',
    )
    key = f"{project.parent}/config/config.toml: secrets.npm"
    assert made.mounts.secrets == (
        SecretSource(id="npm", origin=key, path=project.parent / "config/npmrc"),
    )
    assert not made.mounts.missing_secrets
    assert made.notes == ()


def test_a_project_gets_no_secret_that_the_command_line_does_not_name(project: Path) -> None:
    made = request(project, build='secrets = ["npm", "two"]', user='[secrets]\nnpm = "src=npmrc"\n')
    assert made.mounts.secrets == ()
    assert made.mounts.missing_secrets == {
        "npm": "--secret id=npm",
        "two": "--secret id=two,src=FILE",
    }
    assert made.origins["missing_secrets"] == "locald.toml: service.web.build.secrets"
    with pytest.raises(UsageError, match="nobody says where the secret two comes from"):
        request(project, BuildFlags(secrets=("id=two",)))
    with pytest.raises(UsageError, match="not a secret's id: 'id=npm,src=/etc/passwd'"):
        request(project, build='secrets = ["id=npm,src=/etc/passwd"]')


@pytest.mark.parametrize("name", ["cnb", "layers", "etc", "proc", "..", "platform", "tmp"])
def test_workspaces_that_are_taken(project: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"--workspace: /{name} is not free"):
        request(project, BuildFlags(workspace=name))


def test_the_workspace(project: Path) -> None:
    assert request(project, build='workspace = "app"').workspace == "app"
    with pytest.raises(UsageError, match="--workspace: 'a/b' is not a name"):
        request(project, BuildFlags(workspace="a/b"))


def test_user_ids(project: Path) -> None:
    made = request(project, BuildFlags(uid=1234, gid=0))
    assert (made.uid, made.gid) == (1234, 0)
    with pytest.raises(UsageError, match="--uid: the lifecycle refuses to build as root"):
        request(project, BuildFlags(uid=0))
    with pytest.raises(UsageError, match="--gid: 70000 is more than 65534"):
        request(project, BuildFlags(gid=70000))


def test_time_limits(project: Path) -> None:
    assert request(project).timeout_seconds is None
    assert request(project, build='timeout = "10m"').timeout_seconds == 600
    both = {"build": "timeout = 600", "user": 'timeout = "5m"\n'}
    assert request(project, **both).timeout_seconds == 300  # type: ignore[arg-type]
    flags = BuildFlags(timeout="1h")
    assert request(project, flags, **both).timeout_seconds == 3600  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"--timeout: not a length of time: 'soon'"):
        request(project, BuildFlags(timeout="soon"))
    with pytest.raises(UsageError, match=r"locald.toml: service.web.build.timeout: not a length"):
        request(project, build="timeout = 0")


def test_creation_times(project: Path) -> None:
    assert request(project).creation_time is None
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    assert request(project, environ=epoch).creation_time == 1700000000
    assert request(project, build='creation_time = "git"', environ=epoch).creation_time is (
        Moment.GIT
    )
    flags = BuildFlags(creation_time="now")
    assert request(project, flags, build="creation_time = 5").creation_time is Moment.NOW
    assert request(project, build="creation_time = 5").creation_time == 5
    for text in ("yesterday", "-1", "1.5", "123456789012"):
        with pytest.raises(UsageError, match="--creation-time: not a number of seconds since 1970"):
            request(project, BuildFlags(creation_time=text))
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH: not a number") as caught:
        request(project, environ={"SOURCE_DATE_EPOCH": "now"})
    assert caught.value.hint == "write seconds since 1970"
