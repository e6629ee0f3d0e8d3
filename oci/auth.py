"""Who we are at a registry: the files that `skopeo login`, `podman login` and `docker login` write.

A credential is looked up for one repository at a time, and handed to nobody but the program that
talks to that registry. Source: containers-auth.json(5), docker's config.json.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from oci.errors import CommandError, Error, HostError, RegistryError, UsageError
from oci.host_tools import find_tool
from oci.plain_file import read_regular_file
from oci.process import Command, CommandRunner
from oci.reference import DOCKER_HUB

# docker's own time limit is the user's patience; a helper that waits for a prompt never ends.
_HELPER_SECONDS = 30.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MAX_FILE_BYTES = 4 << 20
# The user name by which credential helpers mark an identity token.
_TOKEN_USER = "<token>"
_HUB_NAMES = frozenset({"index.docker.io", "registry-1.docker.io", DOCKER_HUB})
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True, repr=False)
class Secret:
    """Text that no log, error or report may show; `reveal` is for the wire alone."""

    _value: str

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A user's name and password, or an identity token in the place of both.

    origin: the file or helper it came from, for errors.
    """

    username: str
    password: Secret
    identity_token: Secret | None = None
    origin: str

    @property
    def basic(self) -> Secret:
        """The value of an `Authorization: Basic` header."""
        pair = f"{self.username}:{self.password.reveal()}"
        return Secret(base64.b64encode(pair.encode()).decode())


class _Entry(msgspec.Struct, kw_only=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Document(msgspec.Struct, kw_only=True, rename="camel"):
    auths: dict[str, _Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _HelperAnswer(msgspec.Struct, kw_only=True, rename="pascal"):
    username: str = ""
    secret: str = ""


class Logins:
    """Finds credentials.

    auth_file: what `--authfile` names, else REGISTRY_AUTH_FILE: then no other file is read.
    """

    def __init__(
        self,
        runner: CommandRunner,
        *,
        auth_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._runner = runner
        self._environ = os.environ if environ is None else environ
        self._files = tuple(_files(auth_file, self._environ))
        self._documents: dict[Path, _Document] = {}

    def find(self, registry: str, repository: str) -> Credential | None:
        """The credential for a repository, or None. Raises UsageError for a file that cannot be
        read, RegistryError for a helper that fails."""
        for flag, path in self._files:
            document = self._documents.get(path)
            if document is None:
                document = self._documents[path] = _read(path, flag)
            found = self._in_document(document, path, registry, repository)
            if found is not None:
                return found
        return None

    def _in_document(
        self, document: _Document, path: Path, registry: str, repository: str
    ) -> Credential | None:
        helper = document.cred_helpers.get(registry)
        if helper is None and registry == DOCKER_HUB:
            helper = document.cred_helpers.get(_HUB_KEY)
        if helper:
            return self._ask(helper, registry, path)
        for key in _keys(registry, repository):
            for written, entry in document.auths.items():
                if _normal_key(written) == key:
                    found = _credential(entry, path, written)
                    if found is not None:
                        return found
        return self._ask(document.creds_store, registry, path) if document.creds_store else None

    def _ask(self, helper: str, registry: str, path: Path) -> Credential | None:
        """Source: docker-credential-helpers, the command `get`."""
        program = f"docker-credential-{helper}"
        if not _HELPER_NAME.fullmatch(helper):
            raise UsageError(f"{path}: {helper[:100]!r} is no name of a credential helper")
        if find_tool(program) is None:
            raise HostError(
                f"{path} wants the credential helper `{program}`, which is not installed",
                hint=f"install it, or take it out of {path} and log in: skopeo login {registry}",
            )
        asked = _HUB_KEY if registry == DOCKER_HUB else registry
        command = Command(
            argv=(program, "get"),
            stdin=asked.encode(),
            # The user's own program: it finds the user's keyring or cloud account in variables.
            env=dict(self._environ),
            timeout_seconds=_HELPER_SECONDS,
        )
        result = self._run(command, program, registry)
        if result is None:
            return None
        try:
            answer = msgspec.json.decode(result, type=_HelperAnswer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryError(
                f"the credential helper `{program}` gave no credential for {registry}, "
                "but something else",
                hint=f"try it: echo {asked} | {program} get",
            ) from error
        token = Secret(answer.secret) if answer.username == _TOKEN_USER else None
        return Credential(
            username=answer.username,
            password=Secret(answer.secret),
            identity_token=token,
            origin=program,
        )

    def _run(self, command: Command, program: str, registry: str) -> bytes | None:
        try:
            result = self._runner.run(command, check=False)
        except (CommandError, HostError):
            raise
        except Error as error:  # its time ran out
            raise RegistryError(
                f"the credential helper `{program}` did not answer for {registry} "
                f"within {_HELPER_SECONDS:g} s",
                hint=f"try it: echo {registry} | {program} get",
            ) from error
        if result.exit_code == 0:
            return result.stdout
        said = result.stdout + "\n".join(result.stderr_tail).encode()
        if b"credentials not found" in said:
            return None
        raise RegistryError(
            f"the credential helper `{program}` failed for {registry}",
            # What it wrote to standard output may be half a secret.
            details=result.stderr_tail[-3:],
            hint=f"try it: echo {registry} | {program} get",
        )


def auth_document(credentials: Mapping[str, Credential]) -> bytes:
    """An auth file with nothing but these: registry → credential."""
    auths = {}
    for registry, credential in credentials.items():
        entry = {"auth": credential.basic.reveal()}
        if credential.identity_token is not None:
            entry["identitytoken"] = credential.identity_token.reveal()
        auths[registry] = entry
    return msgspec.json.encode({"auths": auths})


def _files(auth_file: Path | None, environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Where to look, in order; beside each the flag or variable that names it, which must exist."""
    home = Path(environ.get("HOME") or "/")
    if auth_file is not None:
        yield "--authfile", auth_file
    elif environ.get("REGISTRY_AUTH_FILE"):
        yield "REGISTRY_AUTH_FILE", Path(environ["REGISTRY_AUTH_FILE"])
    else:
        runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        yield "", Path(runtime, "containers/auth.json")
        config = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
        yield "", Path(config, "containers/auth.json")
        yield "", Path(environ.get("DOCKER_CONFIG") or str(home / ".docker"), "config.json")


def _read(path: Path, flag: str) -> _Document:
    where = f"{flag} {path}" if flag else str(path)
    try:
        data = read_regular_file(path, max_bytes=_MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        if not flag:
            return _Document()
        raise UsageError(
            f"{where}: no such file", hint=f"log in into it: skopeo login --authfile {path} HOST"
        ) from None
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror}") from error
    try:
        # An empty file is what a login that was interrupted leaves.
        return msgspec.json.decode(data, type=_Document) if data.strip() else _Document()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Its message names a place in the file, never what stands there.
        raise UsageError(
            f"{where}: not an auth file: {error}",
            hint='it should be JSON like {"auths": {…}}; `skopeo login` writes it',
        ) from None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """`host/a/b`, `host/a`, `host`: the most exact first."""
    parts = repository.split("/")
    for length in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:length]))
    yield registry


def _normal_key(key: str) -> str:
    """docker's older keys are URLs: `https://host/v1/` is `host`."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host, _, path = bare.partition("/")
    if bare != key or path.strip("/") in ("v1", "v2"):
        path = ""
    if host in _HUB_NAMES:
        host = DOCKER_HUB
    return f"{host}/{path}" if path else host


def _credential(entry: _Entry, path: Path, key: str) -> Credential | None:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            decoded = base64.b64decode(entry.auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            decoded = ""
        username, colon, password = decoded.partition(":")
        if not colon:
            raise UsageError(
                f"{path}: auths.{key[:200]}.auth is not base64 of USER:PASSWORD",
                hint=f"log in again: skopeo login {_normal_key(key)}",
            )
        password = password.rstrip("\0")
    token = Secret(entry.identitytoken) if entry.identitytoken else None
    if not username and not password and token is None:
        return None
    return Credential(
        username=username, password=Secret(password), identity_token=token, origin=str(path)
    )
