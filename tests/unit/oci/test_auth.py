"""Credentials: where they are looked for, which of them is taken, and that none is ever shown."""

import base64
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oci.auth import Credential, Logins, Secret, auth_document
from oci.errors import Error, HostError, RegistryError, UsageError
from oci.process import CommandRunner
from tests.support.fake_tools import FakeTools

HOST = "registry.example"


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def write(path: Path, **document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def entry(user: str, password: str = "pw") -> Mapping[str, str]:
    return {"auth": encoded(user, password)}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def user_of(
    environ: Mapping[str, str],
    repository: str = "team/app",
    *,
    host: str = HOST,
    auth_file: Path | None = None,
) -> str | None:
    logins = Logins(CommandRunner(), auth_file=auth_file, environ=environ)
    found = logins.find(host, repository)
    return None if found is None else found.username


# ---- which file ---------------------------------------------------------------------------------


def test_files_are_looked_through_in_order(tmp_path: Path, environ: dict[str, str]) -> None:
    assert user_of(environ) is None
    docker = write(tmp_path / "home/.docker/config.json", auths={HOST: entry("docker")})
    assert user_of(environ) == "docker"
    write(tmp_path / "home/.config/containers/auth.json", auths={HOST: entry("config")})
    assert user_of(environ) == "config"
    write(tmp_path / "run/containers/auth.json", auths={"other.example": entry("x")})
    assert user_of(environ) == "config", "a file without an entry for it is passed over"
    write(tmp_path / "run/containers/auth.json", auths={HOST: entry("runtime")})
    assert user_of(environ) == "runtime"
    docker.write_text("{")
    assert user_of(environ) == "runtime", "what is not needed is not read"


def test_variables_name_other_files(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "dockers/config.json", auths={HOST: entry("docker")})
    assert user_of({**environ, "DOCKER_CONFIG": str(tmp_path / "dockers")}) == "docker"
    write(tmp_path / "xdg/containers/auth.json", auths={HOST: entry("xdg")})
    assert user_of({**environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == "xdg"
    named = write(tmp_path / "named.json", auths={HOST: entry("named")})
    assert user_of({**environ, "REGISTRY_AUTH_FILE": str(named)}) == "named"


def test_the_flag_s_file_is_the_only_one(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "run/containers/auth.json", auths={HOST: entry("runtime")})
    mine = write(tmp_path / "mine.json", auths={"other.example": entry("x")})
    variables = {**environ, "REGISTRY_AUTH_FILE": str(tmp_path / "run/containers/auth.json")}
    assert user_of(variables, auth_file=mine) is None


# ---- which entry --------------------------------------------------------------------------------


def test_the_most_exact_entry_is_taken(tmp_path: Path, environ: dict[str, str]) -> None:
    mine = write(
        tmp_path / "mine.json",
        auths={
            HOST: entry("all"),
            f"{HOST}/team": entry("team"),
            f"{HOST}/team/app": entry("app"),
            f"{HOST}:5000": entry("port"),
        },
    )
    found = {
        name: user_of(environ, name, auth_file=mine)
        for name in ("team/app", "team/other", "team/app/sub", "teams/app")
    }
    assert found == {
        "team/app": "app",
        "team/other": "team",
        "team/app/sub": "app",
        "teams/app": "all",
    }
    assert user_of(environ, host=f"{HOST}:5000", auth_file=mine) == "port"
    assert user_of(environ, host=f"{HOST}:5001", auth_file=mine) is None


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://registry.example/v1/", HOST),
        ("http://registry.example", HOST),
        ("registry.example/v2/", HOST),
    ],
)
def test_docker_s_older_keys_are_known(
    tmp_path: Path, environ: dict[str, str], key: str, host: str
) -> None:
    mine = write(tmp_path / "mine.json", auths={key: entry("old")})
    assert user_of(environ, "library/app", host=host, auth_file=mine) == "old"


def test_a_password_may_hold_a_colon_and_a_token_may_stand_alone(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    mine = write(
        tmp_path / "mine.json",
        auths={
            "a.example": entry("me", "a:b:c"),
            "b.example": {"auth": encoded("me", ""), "identitytoken": "tok"},
            "c.example": {"username": "me", "password": "plain"},
            "d.example": {},
        },
    )
    logins = Logins(CommandRunner(), auth_file=mine, environ=environ)
    a, b, c, d = (logins.find(f"{name}.example", "x") for name in "abcd")
    assert a is not None
    assert a.password.reveal() == "a:b:c"
    assert b is not None
    assert b.identity_token == Secret("tok")
    assert c is not None
    assert c.basic.reveal() == encoded("me", "plain")
    assert d is None


# ---- helpers ------------------------------------------------------------------------------------


def test_a_helper_of_one_registry_is_asked_for_that_one_only(
    tmp_path: Path, environ: dict[str, str], fake_tools: FakeTools
) -> None:
    fake = fake_tools.install(
        "docker-credential-vault", script='cat >&2; echo; echo \'{"Username":"v","Secret":"s"}\''
    )
    mine = write(
        tmp_path / "mine.json",
        credHelpers={HOST: "vault"},
        auths={HOST: entry("file"), "other.example": entry("file")},
    )
    assert user_of(environ, auth_file=mine) == "v"
    assert fake.call.arguments == ("get",)
    assert user_of(environ, host="other.example", auth_file=mine) == "file"
    assert len(fake.calls) == 1


def test_the_store_of_all_credentials_is_asked_where_the_file_has_none(
    tmp_path: Path, environ: dict[str, str], fake_tools: FakeTools
) -> None:
    fake_tools.install(
        "docker-credential-all", script='echo \'{"Username":"<token>","Secret":"tok"}\''
    )
    mine = write(tmp_path / "mine.json", credsStore="all", auths={HOST: {}})
    found = Logins(CommandRunner(), auth_file=mine, environ=environ).find(HOST, "app")
    assert found is not None
    assert found.identity_token == Secret("tok")
    assert found.origin == "docker-credential-all"


def test_a_helper_that_knows_nothing_is_no_failure(
    tmp_path: Path, environ: dict[str, str], fake_tools: FakeTools
) -> None:
    fake_tools.install(
        "docker-credential-all",
        stdout="credentials not found in native keychain\n",
        exit_code=1,
    )
    mine = write(tmp_path / "mine.json", credsStore="all")
    assert user_of(environ, auth_file=mine) is None


@pytest.mark.parametrize(
    ("helper", "kind", "said"),
    [
        ({"exit_code": 1, "stdout": "hunter2", "stderr": "locked\n"}, RegistryError, "failed for"),
        ({"stdout": "hunter2"}, RegistryError, "something else"),
    ],
)
def test_a_helper_that_fails_is_told_without_what_it_printed(
    tmp_path: Path,
    environ: dict[str, str],
    fake_tools: FakeTools,
    helper: dict[str, Any],
    kind: type[Error],
    said: str,
) -> None:
    fake_tools.install("docker-credential-bad", **helper)
    mine = write(tmp_path / "mine.json", credsStore="bad")
    with pytest.raises(kind, match=said) as caught:
        user_of(environ, auth_file=mine)
    assert "docker-credential-bad" in caught.value.message
    assert "hunter2" not in f"{caught.value.message}{caught.value.details}{caught.value.hint}"


def test_a_missing_helper_is_told_with_the_file_that_wants_it(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    mine = write(tmp_path / "mine.json", credsStore="nowhere")
    with pytest.raises(HostError, match=r"mine\.json wants .*`docker-credential-nowhere`"):
        user_of(environ, auth_file=mine)


def test_a_helper_s_name_is_no_path(tmp_path: Path, environ: dict[str, str]) -> None:
    mine = write(tmp_path / "mine.json", credsStore="x/../../evil")
    with pytest.raises(UsageError, match="is no name of a credential helper"):
        user_of(environ, auth_file=mine)


# ---- bad files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{oh no", "not an auth file: JSON is malformed"),
        ("[]", "not an auth file: Expected `object`, got `array`"),
        (
            f'{{"auths": {{"{HOST}": {{"auth": "hunter2\udcff"}}}}}}',
            "not an auth file: 'utf-8' codec can't decode",
        ),
        ('{"auths": {"registry.example": "hunter2"}}', "not an auth file: Expected `object`"),
        (f'{{"auths": {{"{HOST}": {{"auth": "hunter2!"}}}}}}', "is not base64 of USER:PASSWORD"),
        (f'{{"auths": {{"{HOST}": {{"auth": "aHVudGVyMg=="}}}}}}', "is not base64 of USER:PASS"),
    ],
)
def test_a_bad_file_is_named_and_never_shown(
    tmp_path: Path, environ: dict[str, str], text: str, said: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as caught:
        user_of(environ, auth_file=path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}"


def test_a_file_that_was_named_must_be_there(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^--authfile .*gone\.json: no such file"):
        user_of(environ, auth_file=tmp_path / "gone.json")
    with pytest.raises(UsageError, match=r"^REGISTRY_AUTH_FILE .*gone\.json: no such file"):
        user_of({**environ, "REGISTRY_AUTH_FILE": str(tmp_path / "gone.json")})


def test_an_empty_file_is_one_without_entries(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "mine.json").touch()
    assert user_of(environ, auth_file=tmp_path / "mine.json") is None


# ---- never shown --------------------------------------------------------------------------------


def test_a_secret_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    credential = Credential(username="me", password=Secret("hunter2"), origin="a file")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r", credential, [credential.password])
    assert "hunter2" not in f"{credential} {credential!r} {caplog.text}"
    assert "***" in repr(credential)


def test_skopeo_s_file_holds_nothing_but_what_was_asked_for() -> None:
    credential = Credential(username="me", password=Secret("pw"), origin="a file")
    assert json.loads(auth_document({HOST: credential})) == {
        "auths": {HOST: {"auth": encoded("me", "pw")}}
    }
