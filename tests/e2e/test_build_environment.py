"""What the build finds around it: variables, names, ids, times, limits."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from oci.platform import Platform
from tests.e2e.conftest import AppMaker
from tests.e2e.test_bad_input import refused
from tests.e2e.test_mounts import said
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation, layer_bytes
from tests.support.leftovers import processes_of
from tests.support.tiny_builder import TinyBuilder, make_tiny_builder
from tests.support.waiting import wait_until

SHOW = f"""\
for name in A B C D E F G; do echo "say $name=${{!name-unset}}"; done
{BUILDS}"""


@pytest.fixture(scope="module")
def tiny(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> TinyBuilder:
    return make_tiny_builder(installation, tmp_path_factory.mktemp("tiny"))


def test_variables(installation: Installation, app: Path, tmp_path: Path) -> None:
    show = BuildpackFolder.make(tmp_path / "show", build=SHOW)
    file = tmp_path / "build.env"
    file.write_text(
        '# a comment\n\nexport A=1\nB=\'two words\' # why\nC="x\ty"\nD=file\nE\nF\nG="one\ntwo"\n'
    )
    flags = ("--env-file", file, "--env", "D=flag=1", "--env", "E", "--env", "NOBODY_HAS_IT")
    result = installation.with_environment(E="host").build(app, *flags, buildpack=show)
    assert said(result.stderr) == [
        *("A=1", "B=two words", "C=x\ty", "D=flag=1", "E=host", "F=unset", "G=one"),
    ]
    assert f"{file}:8: F is not set in your environment and is left out" in result.stderr
    assert "--env: NOBODY_HAS_IT is not set in your environment and is left out" in result.stderr


@pytest.mark.parametrize(
    ("line", "part"),
    [("B-C=1", "build.env:2: not a variable's name: 'B-C'"), ("X='a", "build.env:2: not a")],
)
def test_a_bad_line_of_a_file_is_named(
    installation: Installation, app: Path, tmp_path: Path, line: str, part: str
) -> None:
    (tmp_path / "build.env").write_text(f"A=1\n{line}\n")
    refused(installation.try_build(app, "--env-file", tmp_path / "build.env"), 2, part)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--env", "=value"), "--env: no name before the ="),
        (("--exec-env", "a/b"), "--exec-env: 'a/b' is not a name"),
        (("--workspace", "cnb"), "--workspace: /cnb is not free"),
        (("--workspace", "a/b"), "--workspace: 'a/b' is not a name"),
        (("--uid", "0"), "--uid: the lifecycle refuses to build as root"),
        (("--gid", "65535"), "--gid: 65535 is more than 65534"),
        (("--timeout", "soon"), "--timeout: not a length of time: 'soon'"),
        (("--creation-time", "today"), "--creation-time: not a number of seconds since 1970"),
        (("--creation-time", "git"), "--creation-time: git knows no commit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_values_are_named(
    installation: Installation, app: Path, flags: tuple[str, ...], part: str
) -> None:
    refused(installation.try_build(app, *flags), 2, part)


def test_an_execution_environment(installation: Installation, app: Path, tmp_path: Path) -> None:
    build = f'echo "say ${{CNB_EXEC_ENV-unset}}"\n{BUILDS}'
    show = BuildpackFolder.make(tmp_path / "show", build=build)
    descriptor = show.path / "buildpack.toml"
    descriptor.write_text(descriptor.read_text().replace('api = "0.10"', 'api = "0.12"'))
    assert said(installation.build(app, buildpack=show).stderr) == ["production"]
    result = installation.build(app, "--exec-env", "test", "--verbose", buildpack=show)
    assert said(result.stderr) == ["test"]
    assert "not reused, it is for the execution environment production" in result.stderr
    image = installation.image(app)
    assert image is not None
    assert image.config.labels["io.buildpacks.exec-env"] == "test"
    again = installation.build(app, "--exec-env", "test", "--verbose", buildpack=show)
    assert "not reused" not in again.stderr
    assert "Reusing layer 'e2e/test:made'" in again.stderr


def test_the_workspace_has_another_name(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    build = f'echo "say $PWD"; ls /workspace 2>/dev/null || echo "say none"\n{BUILDS}'
    show = BuildpackFolder.make(tmp_path / "show", detect='[ "$PWD" = /my.app ]', build=build)
    result = installation.build(app, "--workspace", "my.app", buildpack=show)
    assert said(result.stderr)[0] == "/my.app"
    image = installation.image(app)
    assert image is not None
    assert image.config.config.working_dir == "/my.app"
    assert image.config.config.environment["CNB_APP_DIR"] == "/my.app"
    content = layer_bytes(image, installation.layout(app))
    assert b"my.app/index.html" in content
    assert b"workspace/index.html" not in content


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_the_user_has_other_ids(
    installation: Installation, make: AppMaker, tiny: TinyBuilder, runtime: RuntimeName
) -> None:
    script = 'echo "say $(id -u):$(id -g) $(stat -c %u:%g . /layers | xargs)"; touch made\n'
    app = make(files={"index.html": "x", "build.sh": script})
    flags = ("--uid", "2345", "--gid", "2346", "--builder", tiny.name, "--runtime", runtime)
    result = installation.build(app, *flags)
    assert said(result.stderr) == ["2345:2346 2345:2346 2345:2346"]
    own = {(p.stat().st_uid, p.stat().st_gid) for p in installation.paths.build_caches.iterdir()}
    assert own == {(os.getuid(), os.getgid())}


def test_another_machines_programs_cannot_run(installation: Installation, app: Path) -> None:
    other = "s390x" if Platform.of_host().architecture != "s390x" else "amd64"
    if Path(f"/proc/sys/fs/binfmt_misc/qemu-{other}").exists():
        pytest.skip("this host has an emulator: the ability to fail")
    result = installation.try_build(app, "--platform", f"linux/{other}")
    refused(result, 3, "--platform: this host is", f"cannot run linux/{other}", "qemu-user-static")


def test_the_time_of_an_image(installation: Installation, app: Path, tmp_path: Path) -> None:
    quick = BuildpackFolder.make(tmp_path / "quick")

    def created(*flags: str, **environment: str) -> str:
        installation.with_environment(**environment).build(app, *flags, buildpack=quick)
        image = installation.image(app)
        assert image is not None
        return str(image.config.created)

    assert created() == "1980-01-01T00:00:01Z"
    assert created(SOURCE_DATE_EPOCH="86400") == "1970-01-02T00:00:00Z"
    assert created("--creation-time", "1700000000", SOURCE_DATE_EPOCH="1") == "2023-11-14T22:13:20Z"
    assert created("--creation-time", "now") > "2024"
    for argv in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run(
            ("git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", *argv),
            cwd=app,
            env={**os.environ, "GIT_COMMITTER_DATE": "2001-02-03T04:05:06Z"},
            check=True,
        )
    assert created("--creation-time", "git") == "2001-02-03T04:05:06Z"


@pytest.mark.parametrize("runtime", [RuntimeName.RUNC, RuntimeName.PODMAN])
def test_a_build_ends_with_its_time(
    installation: Installation, app: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    good = BuildpackFolder.make(tmp_path / "good", build=f'touch "$LOCALD_BUILD_CACHE/x"\n{BUILDS}')
    before = installation.build(app, buildpack=good).digest
    slow = BuildpackFolder.make(tmp_path / "slow", build="trap '' TERM; echo up; sleep 600")
    started = time.monotonic()
    with installation.start_build(
        app, "--timeout", "4s", "--runtime", runtime, buildpack=slow
    ) as build:
        build.wait_for_line("up")
        result = build.finish()
        assert wait_until(lambda: not processes_of(build.pid, tmp_path), seconds=10)
    assert result.code == 7, result.output
    assert "--timeout: the build did not end within 4 s" in result.stderr
    assert time.monotonic() - started < 15
    image = installation.image(app)
    assert image is not None
    assert str(image.digest) == before
    show = BuildpackFolder.make(
        tmp_path / "show", build=f'ls "$LOCALD_BUILD_CACHE" | sed "s/^/say /"\n{BUILDS}'
    )
    assert said(installation.build(app, buildpack=show).stderr) == ["x"]


def test_time_runs_out_while_another_build_holds_the_cache(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    held = BuildpackFolder.make(tmp_path / "held")
    held.hold("build")
    with installation.start_build(app, buildpack=held) as other:
        other.wait_for_line("holding build")
        result = installation.try_build(app, "--timeout", "1", buildpack=held)
        refused(result, 7, "--timeout: the build did not end within 1 s")
        held.release()
        assert other.finish().code == 0


def test_an_unknown_process_is_told_before_the_export(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    quick = BuildpackFolder.make(tmp_path / "quick")
    result = installation.try_build(app, "-D", "worker", buildpack=quick)
    refused(result, 2, "--default-process: the buildpacks define no process 'worker'", "web")
    assert "export" not in result.stderr
    text = '[service.w.build]\nprocess = "worker"\n'
    (app / "locald.toml").write_text(text)
    result = installation.try_build(app, buildpack=quick)
    refused(result, 2, "locald.toml: service.w.build.process: the buildpacks define no process")


@pytest.mark.parametrize("network", ["private", "none"])
def test_networks(installation: Installation, app: Path, tmp_path: Path, network: str) -> None:
    show = BuildpackFolder.make(
        tmp_path / "show",
        build=f'sed -n "s/ *\\(.*\\):.*/say \\1/p" /proc/net/dev\n{BUILDS}',
    )
    result = installation.build(app, "--network", network, buildpack=show)
    assert ("tap0" in said(result.stderr)) is (network == "private")
