"""`locald config …`."""

import json
import threading
import tomllib
from pathlib import Path

import pytest

from locald.cli.app import main
from locald.config.user_config_file import set_value
from locald.paths import Paths
from oci.errors import BusyError
from oci.locks import exclusive


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCALD_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "config/config.toml"


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["config", *arguments]) == 2
    return capsys.readouterr().err


def test_defaults_are_kept_and_taken_back(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set", "default-builder", "acme/builder"]) == 0
    assert main(["config", "set", "registry-mirrors.docker.io", "a.example", "b.example/x"]) == 0
    assert file.read_text() == (
        'default-builder = "acme/builder"\n\n[registry-mirrors]\n'
        '"docker.io" = ["a.example", "b.example/x"]\n'
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert "Set default-builder in " in capsys.readouterr().err

    assert main(["config", "get", "default-builder"]) == 0
    assert capsys.readouterr().out == "acme/builder\n"
    assert main(["config", "get", "registry-mirrors.docker.io"]) == 0
    assert capsys.readouterr().out == "a.example\nb.example/x\n"
    assert main(["config", "get"]) == 0
    assert capsys.readouterr().out == (
        'default-builder = "acme/builder"\n'
        'registry-mirrors."docker.io" = ["a.example", "b.example/x"]\n'
    )

    assert main(["config", "unset", "registry-mirrors"]) == 0
    assert main(["config", "unset", "default-builder", "-q"]) == 0
    assert main(["config", "unset", "default-builder"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"Removed registry-mirrors from {file}",
        f"default-builder was not set in {file}",
    ]
    assert file.read_text().strip() == ""
    assert f"default-builder is not set in {file}" in failure(capsys, "get", "default-builder")


def test_where_the_file_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jobs", "four"), "config.toml: jobs: expected integer, found text"),
        (("jobs", "0"), "config.toml: jobs: expected"),
        (("network", "hots"), "config.toml: network: 'hots' is not one of private, host, none"),
        (("pull-policy", "maybe"), "config.toml: pull-policy: 'maybe' is not one of"),
        (("runtime", "docker"), "config.toml: runtime: 'docker' is not one of"),
        (("default-builder", "No Image"), "config.toml: default-builder: not an image reference"),
        (("default-builder", ""), "config.toml: default-builder: "),
        (("timeout", "soon"), "config.toml: timeout: "),
        (("volumes", "relative:/x"), "config.toml: volumes"),
        (("registry-mirrors.docker.io", "no host"), "config.toml: registry-mirrors.docker.io: "),
        (("registry-mirrors.a/b", "host.example"), "config.toml: registry-mirrors.a/b: "),
        (("insecure-registries", "http://x"), "config.toml: insecure-registries: "),
        (("run-image-mirrors.a/run", "No Image"), "config.toml: run-image-mirrors.a/run: "),
        (("secrets.npm", "s3cr3t"), "config.toml: secrets.npm: a part of it is none of id=, src="),
        (("secrets.a/b", "src=/x"), 'config.toml: secrets."a/b": not a secret\'s id'),
        (("nonsense", "1"), "'nonsense' is no key of config.toml"),
    ],
)
def test_what_a_build_would_refuse_is_not_written(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    message: str,
) -> None:
    file.parent.mkdir()
    file.write_text("jobs = 2 # cores\n")
    assert message in failure(capsys, "set", *arguments)
    assert file.read_text() == "jobs = 2 # cores\n"
    assert {path.name for path in file.parent.iterdir()} <= {file.name, ".config.toml.lock"}


def test_paths_start_where_the_command_was_given(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs").mkdir()
    for key, *values in (
        ("default-builder", "oci:builder:1"),
        ("volumes", "certs:/mnt/certs", f"{tmp_path}/certs:/mnt/b:rw"),
        ("secrets.npm", "src=npmrc"),
        ("secrets.home", "src=~/.npmrc"),
        ("secrets.token", "env=TOKEN"),
    ):
        assert main(["config", "set", key, *values]) == 0
    assert tomllib.loads(file.read_text()) == {
        "default-builder": f"oci:{tmp_path}/builder:1",
        "volumes": [f"{tmp_path}/certs:/mnt/certs", f"{tmp_path}/certs:/mnt/b:rw"],
        "secrets": {
            "npm": f"src={tmp_path}/npmrc",
            "home": "src=~/.npmrc",
            "token": "env=TOKEN",
        },
    }


def test_a_file_with_another_mistake_is_not_touched_but_the_mistake_can_be_unset(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    file.write_text('bilder = "x"\njobs = "many"\n')
    assert f"{file}: bilder: unknown key" in failure(capsys, "set", "timeout", "5m")
    assert main(["config", "unset", "bilder"]) == 0
    assert f"{file}: jobs: expected integer" in failure(capsys, "set", "timeout", "5m")
    assert main(["config", "unset", "jobs"]) == 0
    assert main(["config", "set", "timeout", "5m"]) == 0
    assert file.read_text() == 'timeout = "5m"\n'


def test_a_file_that_is_no_toml_is_left_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    file.write_text("jobs = \n")
    for command in (("set", "jobs", "2"), ("unset", "jobs"), ("get",)):
        assert f"{file}:1:8: invalid value" in failure(capsys, *command)
    assert file.read_text() == "jobs = \n"


def test_a_link_into_a_collection_of_dotfiles_stays_one(file: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles.toml"
    dotfiles.write_text("# mine\n")
    dotfiles.chmod(0o640)
    file.parent.mkdir()
    file.symlink_to(dotfiles)
    assert main(["config", "set", "jobs", "3"]) == 0
    assert file.is_symlink()
    assert dotfiles.read_text() == "# mine\njobs = 3\n"
    assert dotfiles.stat().st_mode & 0o777 == 0o640


def test_a_place_that_cannot_be_written_is_told(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text("a file")
    assert main(["config", "set", "jobs", "3"]) == 6
    assert "LOCALD_CONFIG_DIR" in capsys.readouterr().err


def test_two_at_once_lose_nothing(file: Path) -> None:
    paths = Paths.from_environment()

    def set_one(number: int) -> None:
        set_value(paths, f"registry-mirrors.r{number}.example", ("m",), tell=lambda _: None)

    threads = [threading.Thread(target=set_one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_text().count('= "m"') == 8


def test_it_waits_for_another_that_writes(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("locald.config.user_config_file.LOCK_SECONDS", 0.1)
    with exclusive(file.parent / ".config.toml.lock", what="it"):
        assert main(["config", "set", "jobs", "3"]) == BusyError.exit_code
    assert "another locald is still using" in capsys.readouterr().err
    assert not file.exists()


def test_show_tells_values_and_where_they_come_from(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "locald.toml").write_text(
        '[service.web.build]\nbuilder = "acme/builder"\nexclude = ["*.md", "docs"]\n'
        'env_file = "build.env"\nenv = { MODE = "fast", URL = "https://me:pw@git.example/x" }\n'
    )
    (project / "build.env").write_text("NPM_TOKEN=s3cr3t\n")
    main(["config", "set", "network", "none", "-q"])
    assert main(["config", "show", str(project)]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in out.splitlines()[1:]}
    table = f"{project}/locald.toml: service.web.build"
    assert out.splitlines()[0] == "[service.web]"
    assert rows["builder"] == ["docker.io/acme/builder:latest", f"{table}.builder"]
    assert rows["network"] == ["none", f"{file}: network"]
    assert rows["pull_policy"] == ["if-not-present", "default"]
    assert rows["env.MODE"] == ["fast", f"{table}.env"]
    assert rows["env.NPM_TOKEN"] == ["(hidden)", f"{project}/build.env"]
    assert rows["env.URL"][0] == "https://git.example/x"
    assert "*.md" in out
    assert "s3cr3t" not in out
    assert "pw@" not in out


def test_show_for_programs(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "locald.toml").write_text(
        "[service.web]\nbuild = true\n[service.api.build]\nexclude = ['*.md']\n"
        "env = { API_KEY = 's3cr3t' }\n"
    )
    assert main(["config", "show", str(tmp_path), "--json"]) == 0
    out = capsys.readouterr().out
    web, api = json.loads(out)
    assert (web["service"], api["service"]) == ("web", "api")
    assert web["settings"]["run_image"] == {"value": None, "from": "default"}
    assert api["settings"]["exclude"]["value"] == ["*.md"]
    assert api["settings"]["env.API_KEY"]["value"] == "(hidden)"
    assert "s3cr3t" not in out
    assert main(["config", "show", str(tmp_path), "-s", "api"]) == 0
    assert capsys.readouterr().out.startswith("[service.api]\nfolder")


def test_show_tells_what_is_wrong_with_a_project(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locald.toml").write_text("[service.web.build]\nbilder = 'x'\n")
    assert "service.web.build.bilder: unknown key" in failure(capsys, "show", str(tmp_path))
    assert "no such folder" in failure(capsys, "show", str(tmp_path / "nowhere"))
