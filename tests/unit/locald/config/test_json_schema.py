"""The schemas accept and refuse what the readers accept and refuse."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator

from locald.cli.app import main
from locald.config.build_flags import BuildFlags
from locald.config.errors import ConfigError
from locald.config.json_schema import locald_toml_schema, user_config_schema
from locald.config.key_meaning import MEANINGS
from locald.config.locald_toml import Build, read_locald_toml
from locald.config.user_config import read_user_config
from tests.unit.docs.test_examples import EXAMPLES, Example

PROJECT = locald_toml_schema()
USER = user_config_schema()

# Flags without a key of [service.NAME.build], and why.
ABOUT_THE_RUN = {
    "path", "descriptor", "service", "clear_cache", "if_changed", "detect_only", "explain",
    "report", "sbom_output_dir", "report_output_dir",
}  # fmt: skip
ONLY_THE_USER_DECIDES = {
    "pull_policy", "runtime", "uid", "gid", "ca_cert", "publish", "sparse", "cache_image",
    "cache_from", "authfile", "cert_dir", "insecure_registries",
}  # fmt: skip
OTHER_NAMES = {
    "process_type": "process", "pre_buildpacks": "pre", "post_buildpacks": "post",
    "env_files": "env_file", "outputs": "output",
}  # fmt: skip


def problems(schema: Mapping[str, Any], text: str) -> list[str]:
    errors = Draft7Validator(schema).iter_errors(tomllib.loads(text))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


@pytest.mark.parametrize("schema", [PROJECT, USER])
def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("kind", MEANINGS, ids=lambda kind: kind.__name__)
def test_every_key_is_described_and_nothing_else(kind: type[msgspec.Struct]) -> None:
    assert list(MEANINGS[kind]) == list(kind.__struct_encode_fields__)
    assert all(meaning.text.endswith(".") for meaning in MEANINGS[kind].values())


def test_every_property_of_the_schemas_has_a_description() -> None:
    tables = [PROJECT, USER, *PROJECT["definitions"].values()]  # type: ignore[attr-defined]
    for table in tables:
        assert table["description"]
        assert all(one["description"] for one in table["properties"].values())


def test_every_flag_is_a_key_or_is_not_for_projects() -> None:
    flags = set(BuildFlags.__dataclass_fields__)
    keys = {OTHER_NAMES.get(flag, flag) for flag in flags - ABOUT_THE_RUN - ONLY_THE_USER_DECIDES}
    assert flags >= ABOUT_THE_RUN | ONLY_THE_USER_DECIDES
    assert keys | {"include", "exclude"} == set(Build.__struct_fields__)


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.name in ("locald.toml", "config.toml")], ids=str
)
def test_the_examples_of_the_documentation_are_valid(example: Example) -> None:
    assert not problems(PROJECT if example.name == "locald.toml" else USER, example.text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[project]\nname = "shop"\n[services.web]\nbuild = true\n[service.db]\ntype = "postgres"',
        '[plugins]\nredis = "x"\n[services.r]\ntype = "redis"\n[worktrees]\nx = 1',
        '[services.docs]\ntype = "site"\npath = "docs"\nbuild = "cargo doc"',
        '[service.a]\nhealth_check = { type = "http", path = "/", interval = 1 }\nport = 65535',
        '[service.a.build]\nenv_file = ["a", "b"]\noutput = "oci:x"\ncreation_time = 5\n'
        'timeout = "1h30m"\nplatform = "linux/arm64/v8"\nnetwork = "none"\nprocess = "web"',
    ],
)
def test_good_projects(text: str, tmp_path: Path) -> None:
    (tmp_path / "locald.toml").write_text(text)
    read_locald_toml(tmp_path / "locald.toml")
    assert not problems(PROJECT, text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("nonsense = 1", ""),
        ("project = 5", "project"),
        ("[project]\nnamme = 'x'", "project"),
        ("[project]\nname = ''", "project.name"),
        ("[service.'a b']\nbuild = true", "service"),
        ("[service.a]\nport = 0", "service.a.port"),
        ("[service.a]\nport = '80'", "service.a.port"),
        ("[service.a]\ntype = 'exce'", "service.a.type"),
        ("[service.a]\nbuild = 'make'", "service.a.build"),
        ("[service.a]\nhealth_check = { path = '/' }", "service.a.health_check"),
        ("[service.a.build]\nbilder = 'x'", "service.a.build"),
        ("[service.a.build]\nbuilder = 5", "service.a.build.builder"),
        ("[service.a.build]\ntags = 'x'", "service.a.build.tags"),
        ("[service.a.build]\nenv = { A = 1 }", "service.a.build.env.A"),
        ("[service.a.build]\ninclude = []\nexclude = []", "service.a.build"),
        ("[service.a.build]\nnetwork = 'hst'", "service.a.build.network"),
    ],
)
def test_bad_projects(text: str, at: str, tmp_path: Path) -> None:
    (tmp_path / "locald.toml").write_text(text)
    with pytest.raises(ConfigError):
        read_locald_toml(tmp_path / "locald.toml")
    assert any(found.startswith(f"{at}: ") for found in problems(PROJECT, text))


@pytest.mark.parametrize(
    "build",
    [
        "network = 'host'",
        "process = 'a b'",
        "exec_env = 'a/b'",
        "creation_time = 'yesterday'",
        "timeout = '1 hour'",
        "timeout = ''",
        "timeout = 0",
        "env = { 'A B' = '1' }",
        "env = { CNB_X = '1' }",
        "platform = 'amd64'",
        "workspace = 'a/b'",
        "secrets = ['id=x,src=/etc/passwd']",
        "bindings = { Db = 'db' }",
    ],
)
def test_values_that_only_the_build_would_refuse(build: str) -> None:
    assert problems(PROJECT, f"[service.a.build]\n{build}")


@pytest.mark.parametrize(
    "text",
    [
        "default_builder = 'x'",
        "pull-policy = 'sometimes'",
        "jobs = 'four'",
        "registry-mirrors = 'x'",
        "timeout = true",
    ],
)
def test_bad_settings_of_the_user(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError):
        read_user_config(tmp_path / "config.toml")
    assert problems(USER, text)


@pytest.mark.parametrize(("flags", "schema"), [([], PROJECT), (["--user"], USER)])
def test_the_command_prints_them(
    flags: list[str], schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "schema", *flags]) == 0
    assert json.loads(capsys.readouterr().out) == schema
