"""Every configuration file that is read on this host, with everything in it, or in its place, that
people and strangers may put there: one message that names the file, and no waiting."""

import io
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle.builder_toml import read_builder_toml
from lifecycle.buildpack import Buildpack
from lifecycle.package_toml import read_dependencies
from locald.cli.console import Console, Progress
from locald.config.dotenv import read_env_file
from locald.config.ignore_file import IgnoreFile
from locald.config.locald_toml import read_locald_toml
from locald.config.procfile import read_procfile
from locald.config.project_schema import read_project_toml
from locald.config.user_config import read_user_config
from oci.auth import Logins
from oci.errors import Error, ImageError, UsageError
from oci.process import CommandRunner
from oci.registries_conf import VARIABLE, RegistriesConf

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(30)]


@dataclass(frozen=True, kw_only=True)
class ConfigurationFile:
    """name: of the file. read: as a build reads it. toml: else it has a form of its own."""

    name: str
    read: Callable[[Path], object]
    toml: bool = True

    def __str__(self) -> str:
        return self.name


FILES = {
    file.name: file
    for file in (
        ConfigurationFile(name="locald.toml", read=read_locald_toml),
        ConfigurationFile(name="project.toml", read=read_project_toml),
        ConfigurationFile(name="config.toml", read=read_user_config),
        ConfigurationFile(name="builder.toml", read=read_builder_toml),
        ConfigurationFile(name="buildpack.toml", read=lambda path: Buildpack.read(path.parent)),
        ConfigurationFile(name="extension.toml", read=lambda path: Buildpack.read(path.parent)),
        ConfigurationFile(name="package.toml", read=lambda path: read_dependencies(path.parent)),
        ConfigurationFile(
            name="registries.conf", read=lambda path: RegistriesConf.load(environ=_named(path))
        ),
        ConfigurationFile(name="auth.json", toml=False, read=lambda path: _login(path)),
        ConfigurationFile(
            name="build.env", toml=False, read=lambda path: read_env_file(path, None)
        ),
        ConfigurationFile(name="Procfile", toml=False, read=read_procfile),
        ConfigurationFile(
            name=".cnbignore", toml=False, read=lambda path: IgnoreFile.read(path, path.parent)
        ),
        ConfigurationFile(
            name=".gitignore", toml=False, read=lambda path: IgnoreFile.read(path, path.parent)
        ),
    )
}
TOML = [file for file in FILES.values() if file.toml]


def _named(path: Path) -> dict[str, str]:
    return {VARIABLE: str(path), "HOME": "/nonexistent"}


def _login(path: Path) -> object:
    return Logins(CommandRunner(), auth_file=path, environ={}).find("registry.example", "app")


def refused(file: ConfigurationFile, path: Path) -> str:
    """The message as it is shown. It is one, names the file and acts on no terminal."""
    with pytest.raises(Error) as caught:
        file.read(path)
    error = caught.value
    assert isinstance(error, ImageError if _is_module(file) else UsageError)
    shown = io.StringIO()
    Console(progress=Progress.PLAIN, out=io.StringIO(), err=shown).error(error)
    text = shown.getvalue()
    assert file.name in text.splitlines()[0], text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text), text
    assert len([line for line in text.splitlines() if line.startswith("error: ")]) == 1
    assert len(text) < 1500, len(text)
    assert "Error(" not in text
    assert "Errno" not in text
    return text


def _is_module(file: ConfigurationFile) -> bool:
    return file.name in ("buildpack.toml", "extension.toml")


# ---- what is in its place -----------------------------------------------------------------------


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _big(path: Path) -> None:
    path.write_bytes(b"#" * (10 << 20))


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


PLACES: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "10 MB": _big,
    "a terabyte": _endless,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("file", FILES.values(), ids=str)
def test_what_is_no_file_is_told_at_once(
    file: ConfigurationFile, place: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / file.name
    place(path)
    refused(file, path)


# ---- what is in it ------------------------------------------------------------------------------

CONTENTS = {
    "no UTF-8": b"a = '\xff\xfe'\n",
    "UTF-16": "a = 1\n".encode("utf-16"),
    "NUL": b"a = '\0'\n",
    "lists in lists": b"a = " + b"[" * 100_000,
    "tables in tables": b"a = " + b"{a = " * 50_000,
    "a number without end": b"a = " + b"9" * 100_000,
    "a key twice": b"a = 1\na = 2\n",
    "a table twice": b"[a]\n[a]\n",
    "a table that is a value": b"a = 1\n[a.b]\n",
    "a date that is none": b"a = 2023-02-30\n",
    "escape sequences as a key": b"\"\\u001b]0;x\\u0007\\u202e\" = [\n",
    "a control character": b"a = '\x1b[2J'\n",
    "a string without end": b"a = '''" + b"x" * 1000,
    "a long line": b"x" * 100_000,
    "half a table": b"[a",
    "a lone surrogate": b'a = "\\ud800"\n',
}  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("file", TOML, ids=str)
def test_what_is_no_toml_is_told(file: ConfigurationFile, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / file.name
    path.write_bytes(content)
    refused(file, path)


# By file: keys of the wrong kind. The message names the key.
VALUES = {
    "locald.toml": {
        "service.web.build.builder": "3",
        "service.web.build.env.A": "1",
        "service.web.build.tags": '"\\u001b[2J"',
        "service.web.build": "[]",
        "service.web.build.timeout": "[[1]]",
        "service.web": "9223372036854775808",
        "project.name": "1979-05-27",
        "service": "1e999",
    },
    "project.toml": {
        "_.schema-version": '"\\u001b[2J\\u0007"',
        "_": "1",
        "io.buildpacks.builder": "3",
        "io.buildpacks.group": "3",
    },
    "config.toml": {
        "default-builder": "3",
        "timeout": "[]",
        "volumes": "{}",
        "secrets": '"x"',
        "insecure-registries": "[1]",
    },
    "builder.toml": {
        "lifecycle": "1",
        "order": '"x"',
        "description": "1",
        "run.images": "[1]",
    },
    "buildpack.toml": {"api": "1", "buildpack": "[]", "targets": "1", "order": "[1]"},
    "extension.toml": {"api": "1", "extension": "[]", "targets": "1"},
    "package.toml": {"dependencies": "1", "buildpack": "[]", "dependencies[0]": ""},
    "registries.conf": {"registry": "1"},
}


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [(FILES[name], key, value) for name, keys in VALUES.items() for key, value in keys.items()],
    ids=str,
)
def test_a_key_of_the_wrong_kind_is_named(
    file: ConfigurationFile, key: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / file.name
    path.write_text(f"{key} = {value}\n" if value else "[[dependencies]]\n")
    text = refused(file, path)
    assert key.partition(".")[0].removesuffix("[0]") in text, text


LONG = "k" * 300_000


@pytest.mark.parametrize("file", ["locald.toml", "config.toml", "builder.toml"])
@pytest.mark.parametrize("key", [LONG, '"\\u001b]52;c;AAAA\\u0007\\n\\u202e##vso[x]"', '""'])
def test_a_key_that_nobody_knows_is_told_whatever_it_is(
    file: str, key: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_text(f"{key} = 1\n")
    text = refused(FILES[file], path)
    assert "unknown key" in text


# ---- forms of their own -------------------------------------------------------------------------

ODD = {
    "auth.json": (
        b"{", b"[]", b'{"auths": []}', b'{"auths": {"registry.example": {"auth": "\xff"}}}',
        b'{"auths": {"registry.example": {"auth": "!!"}}}', b"[" * 100_000, b"\xff", b"1" * 10_000,
        b'{"auths": {"registry.example": {"auth": 1}}}', b'{"a": "\x1b"}',
        b'{"credHelpers": {"registry.example": "../../evil"}}',
        b'{"credHelpers": {"registry.example": "\\u001b[2J"}}',
        b'{"credsStore": "/bin/sh"}',
    ),
    "build.env": (
        b"\xff=1\n", b"1A=2\n", b"=x\n", b"A=\0\n", b"\x1b[2J=1\n", b"CNB_PLATFORM_API=0.3\n",
        b"A=" + b"x" * 200_000, b"x" * 200_000, "\u202eA=1\n".encode(), b"NO_VALUE\n",
    ),
    "Procfile": (
        b"\xff: x\n", b"web\n", b"web:\n", b"web: \0\n", b"\x1b[2J: x\n", b"web: a\nweb: b\n",
        b"x" * 200_000,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content"),
    [(FILES[name], content) for name, contents in ODD.items() for content in contents],
    ids=lambda value: str(value) if isinstance(value, ConfigurationFile) else ascii(value[:40]),
)
def test_what_has_another_form_is_told(
    file: ConfigurationFile, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / file.name
    path.write_bytes(content)
    refused(file, path)


@pytest.mark.parametrize("name", [".cnbignore", ".gitignore"])
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\n", b"\0", b"*" * 10_000, b"[" * 10_000, b"\\", b"!" * 1000, b"\x1b[2J\n", b"\r"],
    ids=lambda content: ascii(content[:8]),
)
def test_every_text_is_patterns(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert IgnoreFile.read(path, tmp_path).lines
