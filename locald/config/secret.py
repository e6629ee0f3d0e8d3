"""`id=ID,src=FILE` and `id=ID,env=NAME`: where a secret of the build comes from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oci.errors import UsageError

SECRET_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FORM_HINT = "write id=ID,src=FILE or id=ID,env=NAME"
_SAME = {"source": "src", "target": "dst", "destination": "dst"}


@dataclass(frozen=True, kw_only=True)
class SecretSource:
    """Where it will be read from; its value is never a part of a request.

    Exactly one of path and variable is set. origin: what named the source, for messages.
    """

    id: str
    origin: str
    path: Path | None = None
    variable: str | None = None


@dataclass(frozen=True, kw_only=True)
class SecretFlag:
    """One `--secret`. source: None means the user's own file names it."""

    id: str
    source: SecretSource | None


def parse_secret_flag(text: str, *, relative_to: Path, environ: Mapping[str, str]) -> SecretFlag:
    """From `--secret`. Raises UsageError, which never repeats what may be the secret itself."""
    fields = _fields(text, "--secret")
    identity = fields.pop("id", None)
    if identity is None:
        raise UsageError("--secret: it has no id", hint=_FORM_HINT)
    check_secret_id(identity, where="--secret")
    if not fields:
        return SecretFlag(id=identity, source=None)
    return SecretFlag(
        id=identity,
        source=_source(
            identity, fields, where="--secret", relative_to=relative_to, environ=environ
        ),
    )


def parse_secret_source(
    identity: str, text: str, *, where: str, relative_to: Path, environ: Mapping[str, str]
) -> SecretSource:
    """From the user's own file: `src=FILE` or `env=NAME`. where: its file and key."""
    check_secret_id(identity, where=where)
    fields = _fields(text, where)
    return _source(identity, fields, where=where, relative_to=relative_to, environ=environ)


def check_secret_id(identity: str, *, where: str) -> None:
    """It becomes the name of a file."""
    if not SECRET_ID.fullmatch(identity) or identity.strip(".") == "":
        raise UsageError(
            f"{where}: not a secret's id: {identity[:60]!r}",
            hint="use up to 64 letters, digits, -, _ and .",
        )


def _fields(text: str, where: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = _SAME.get(name, name)
        if not equals or name not in ("id", "src", "env", "type", "dst"):
            # The part is not shown: somebody may have written the secret there.
            raise UsageError(f"{where}: a part of it is none of id=, src=, env=", hint=_FORM_HINT)
        if name == "dst":
            raise UsageError(
                f"{where}: a secret has no place of its own, it is /run/secrets/ID", hint=_FORM_HINT
            )
        if name in fields:
            raise UsageError(f"{where}: {name} is given twice", hint=_FORM_HINT)
        fields[name] = value
    return fields


def _source(
    identity: str,
    fields: dict[str, str],
    *,
    where: str,
    relative_to: Path,
    environ: Mapping[str, str],
) -> SecretSource:
    kind = fields.pop("type", None)
    if kind not in (None, "file", "env"):
        raise UsageError(f"{where}: a secret's type is file or env", hint=_FORM_HINT)
    if kind == "env" and "src" in fields and "env" not in fields:
        fields["env"] = fields.pop("src")  # docker's other way to write it
    if fields.keys() == {"env"}:
        if not environ.get(fields["env"]):
            raise UsageError(
                f"{where}: the secret {identity}: the variable {fields['env'][:60]} is not set",
                hint="export it, or give the secret as a file: src=FILE",
            )
        return SecretSource(id=identity, origin=where, variable=fields["env"])
    if fields.keys() != {"src"} or not fields["src"]:
        raise UsageError(f"{where}: the secret {identity} needs one source", hint=_FORM_HINT)
    text = fields["src"]
    path = relative_to / (Path(text).expanduser() if text.startswith("~") else text)
    return SecretSource(id=identity, origin=where, path=path)
