from pathlib import Path

import msgspec
import pytest

from lifecycle.runtime.spec import Network
from locald.config.errors import ConfigError
from locald.config.locald_toml import Build, LocaldToml, read_locald_toml


def read(folder: Path, text: str) -> LocaldToml:
    file = folder / "locald.toml"
    file.write_text(text)
    return read_locald_toml(file)


def test_upstream_example_with_command_and_build(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        '[project]\nname = "opt-in"\n\n[services.web]\ncommand = "npm start"\n'
        'build = { builder = "heroku/builder:22" }\n',
    )
    assert parsed.project.name == "opt-in"
    assert parsed.services["web"].command == "npm start"
    assert parsed.services["web"].build_options == Build(builder="heroku/builder:22")
    assert parsed.key("web", "build", "env") == "services.web.build.env"


def test_upstream_example_with_an_empty_build_table(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        '[project]\nname = "no-start"\n\n[services.web]\n# No command\n[services.web.build]\n',
    )
    assert parsed.services["web"].build_options == Build()


def test_the_documented_spelling_and_both_forms_of_build(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        '[service.web]\nbuild = { builder = "paketobuildpacks/builder:base" }\n'
        "[service.api]\nbuild = true\n[service.old]\nbuild = false\n[service.none]\n",
    )
    assert parsed.services["web"].build_options == Build(builder="paketobuildpacks/builder:base")
    assert parsed.services["api"].build_options == Build()
    assert parsed.services["old"].build_options is None
    assert parsed.services["none"].build_options is None


def test_every_upstream_field_is_read(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [project]
        name = "shop"
        domain = "shop.localhost"
        workspace = "w"
        constellation = "c"
        [plugins]
        redis = "https://plugins.example/redis"
        [services.web]
        command = ["node", "server.js"]
        workdir = "web"
        port = 8080
        domains = ["@"]
        env = { DATABASE_URL = "postgres://localhost:${services.db.port}/x" }
        depends_on = ["db", "queue"]
        health_check = { type = "http", path = "/health", interval = 1, timeout = 5 }
        stop_signal = "SIGINT"
        [services.db]
        type = "postgres"
        version = "15"
        [services.queue]
        type = "container"
        image = "redis:7"
        container_port = 6379
        health_check = "redis-cli ping"
        [services.docs]
        type = "site"
        path = "./docs"
        build = "cargo doc"
        [services.cache]
        type = "redis"
        """,
    )
    web = parsed.services["web"]
    assert web.env == {"DATABASE_URL": "postgres://localhost:${services.db.port}/x"}
    assert web.command == ("node", "server.js")
    assert web.depends_on == ("db", "queue")
    assert parsed.services["docs"].build_options is None


def test_every_build_key_is_read(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [service.web.build]
        builder = "b"
        buildpacks = ["./bp"]
        env = { A = "1" }
        env_file = ["x.env"]
        run_image = "r"
        process = "web"
        network = "none"
        tags = ["t"]
        output = "oci:out"
        exclude = ["x"]
        exec_env = "test"
        """,
    )
    assert parsed.services["web"].build_options == Build(
        builder="b", buildpacks=("./bp",), env={"A": "1"}, env_file=("x.env",), run_image="r",
        process="web", network=Network.NONE, tags=("t",), output="oci:out", exclude=("x",),
        exec_env="test",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "[service.web]\n[services.web]\n",
            "services.web: the service is also in [service.web]",
            "keep [service.web] and move everything there",
        ),
        (
            '[service.web]\nbuild = "make"\n',
            "service.web.build: a command is not supported",
            'the form build = "COMMAND" is reserved (locald RFC 0072); '
            'write build = true, or build = { builder = "…" }',
        ),
        (
            '[service.web.build]\nbuildr = "x"\n',
            "service.web.build.buildr: unknown key",
            'did you mean "builder"?',
        ),
        (
            "[service.web.build]\nbuilder = 3\n",
            "service.web.build.builder: expected text, found integer 3",
            "",
        ),
        (
            '[service.web.build]\nbuilder = ""\n',
            "service.web.build.builder: expected text that is not empty, found empty text",
            "",
        ),
        ("[service.web]\nport = 99999\n", None, ""),
        (
            "[service.web.build]\nenv = { PORT = 80 }\n",
            "service.web.build.env.PORT: expected text, found integer 80",
            "",
        ),
        (
            '[service.web.build]\nnetwork = "hots"\n',
            "service.web.build.network: 'hots' is not one of private, host, none",
            'did you mean "host"?',
        ),
        ("[srvice.web]\n", "srvice: unknown key", 'did you mean "service"?'),
        (
            "[service.'../x']\n",
            'service."../x": not a service\'s name',
            "use up to 63 letters, digits, - and _, beginning with a letter or digit",
        ),
        (
            '[service.web]\ntype = "exce"\n',
            "service.web.type: 'exce' is no type of service",
            'did you mean "exec"?',
        ),
        (
            '[service.web]\ndepends_on = ["dbb"]\n[service.db]\n',
            "service.web.depends_on: there is no service 'dbb'",
            'did you mean "db"?',
        ),
        (
            '[service.web.build]\ninclude = ["a"]\nexclude = ["b"]\n',
            "service.web.build: cannot have both include and exclude",
            "keep one of them; exclude patterns may begin with ! to keep a file",
        ),
        ("service = 1", "service: expected a table, found integer 1", ""),
        ("[service]\nweb = true", "service.web: expected a table, found true", ""),
    ],
)
def test_a_mistake_is_named_with_its_key(
    tmp_path: Path, text: str, message: str | None, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    expected = (
        message or "service.web.port: expected an integer from 1 to 65535, found integer 99999"
    )
    assert caught.value.message == f"{tmp_path}/locald.toml: {expected}"
    assert caught.value.hint == hint


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    assert read(tmp_path, "") == LocaldToml()


def test_the_build_table_has_a_json_schema() -> None:
    _, components = msgspec.json.schema_components([Build])
    assert components["Build"]["additionalProperties"] is False
