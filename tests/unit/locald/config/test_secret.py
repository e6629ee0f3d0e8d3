"""Where secrets come from."""

from pathlib import Path

import pytest

from locald.config.secret import SecretFlag, SecretSource, parse_secret_flag, parse_secret_source
from oci.errors import UsageError

HERE = Path("/here")
ENVIRON = {"TOKEN": "t", "EMPTY": "", "HOME": "/home/me"}


def flag(text: str) -> SecretFlag:
    return parse_secret_flag(text, relative_to=HERE, environ=ENVIRON)


def file(path: str) -> SecretSource:
    return SecretSource(id="npm", origin="--secret", path=Path(path))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("id=npm,src=.npmrc", file("/here/.npmrc")),
        ("src=/etc/npmrc,id=npm", file("/etc/npmrc")),
        ("id=npm,source=x,type=file", file("/here/x")),
        ("id=npm,src=a=b", file("/here/a=b")),
        ("id=npm,env=TOKEN", SecretSource(id="npm", origin="--secret", variable="TOKEN")),
        ("type=env,id=npm,src=TOKEN", SecretSource(id="npm", origin="--secret", variable="TOKEN")),
        ("id=npm", None),
    ],
)
def test_forms(text: str, source: SecretSource | None) -> None:
    assert flag(text) == SecretFlag(id="npm", source=source)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--secret: a part of it is none of id=, src=, env="),
        ("hunter2", "--secret: a part of it is none of id=, src=, env="),
        ("src=x", "--secret: it has no id"),
        ("id=,src=x", "--secret: not a secret's id: ''"),
        ("id=../x,src=x", "--secret: not a secret's id: '../x'"),
        ("id=..,src=x", "--secret: not a secret's id: '..'"),
        ("id=a,id=b", "--secret: id is given twice"),
        ("id=a,src=", "--secret: the secret a needs one source"),
        ("id=a,src=x,env=TOKEN", "--secret: the secret a needs one source"),
        ("id=a,env=NOPE", "--secret: the secret a: the variable NOPE is not set"),
        ("id=a,env=EMPTY", "--secret: the secret a: the variable EMPTY is not set"),
        ("id=a,src=x,target=/y", "--secret: a secret has no place of its own"),
        ("id=a,src=x,type=vault", "--secret: a secret's type is file or env"),
    ],
)
def test_other_text_is_refused_and_not_repeated(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        flag(text)
    assert caught.value.message.startswith(message)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_the_users_own_file_names_sources() -> None:
    source = parse_secret_source(
        "npm", "src=secrets/npm", where="c: secrets.npm", relative_to=HERE, environ=ENVIRON
    )
    assert source == SecretSource(id="npm", origin="c: secrets.npm", path=HERE / "secrets/npm")
    with pytest.raises(UsageError, match=r"c: secrets\.npm: a part of it is none of"):
        parse_secret_source(
            "npm", "~/.npmrc", where="c: secrets.npm", relative_to=HERE, environ=ENVIRON
        )
