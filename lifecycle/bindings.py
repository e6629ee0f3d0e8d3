"""Service bindings: folders below /platform/bindings that tell buildpacks of a service.

    NAME/type        what kind of service it is, `ca-certificates`, `maven`, …
    NAME/provider    who provides it, optional
    NAME/KEY         one file for each further entry

Source: servicebinding.io 1.1, "Workload Projection"; CNB platform extension "Bindings".
Kubernetes makes the entries links into a folder `..data` beside them; so links within the folder
are fine.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oci.errors import UsageError

# Below /platform.
BINDINGS = "bindings"
CA_CERTIFICATES = "ca-certificates"
ROOT_VARIABLE = "SERVICE_BINDING_ROOT"

_NAME = re.compile(r"[a-z0-9.-]{1,253}")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_TYPE_HINT = "a binding's file `type` says what it is for, in one line: maven, npmrc, postgresql, …"
_MAX_TYPE_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A binding that was looked at. folder: absolute, no link itself."""

    name: str
    type: str
    folder: Path


def check_binding_name(name: str) -> None:
    """Raise UsageError unless buildpacks can find a binding by this name."""
    if not _NAME.fullmatch(name) or name.strip(".") == "":
        raise UsageError(
            f"not a binding's name: {name[:60]!r}",
            hint="use lower-case letters, digits, - and ., such as my-database",
        )


def read_binding(name: str, folder: Path) -> Binding:
    """Look at a binding's folder as buildpacks will. Raises UsageError."""
    try:
        root = folder.resolve(strict=True)
        if not root.is_dir():
            raise UsageError(
                f"the binding {name}: {folder} is no folder",
                hint="give a folder with a file `type` and a file for each entry",
            )
        for path in sorted(root.iterdir()):
            _check_entry(name, path, root)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"the binding {name}: {folder}: {why}") from error
    return Binding(name=name, type=_type(name, root), folder=root)


def certificate_files(certificates: Iterable[bytes]) -> dict[str, bytes]:
    """A binding of the type ca-certificates, one certificate a file, as its readers want it."""
    files = {f"ca-{n:03}.pem": one + b"\n" for n, one in enumerate(certificates, 1)}
    return {"type": CA_CERTIFICATES.encode(), **files}


def _check_entry(name: str, path: Path, root: Path) -> None:
    if path.name.startswith(".."):  # Kubernetes' own folders and links
        return
    if not _KEY.fullmatch(path.name):
        raise UsageError(
            f"the binding {name}: not an entry's name: {path.name[:60]!r}",
            hint="use letters, digits, -, _ and .",
        )
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise UsageError(
            f"the binding {name}: {path.name} is a link that leads out of {root}",
            hint="the build sees the binding's folder and nothing else; copy the file into it",
        )
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) and path.name.startswith("."):
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no file"
        raise UsageError(f"the binding {name}: {path.name} is {kind}; entries are files")
    if not os.access(path, os.R_OK):
        raise UsageError(f"the binding {name}: you cannot read {path.name}")


def _type(name: str, root: Path) -> str:
    try:
        with (root / "type").open("rb") as file:
            data = file.read(_MAX_TYPE_BYTES)
    except FileNotFoundError as error:
        raise UsageError(
            f"the binding {name}: {root} has no file `type`", hint=_TYPE_HINT
        ) from error
    text = data.decode(errors="replace").strip()
    if not text or not text.isprintable():
        raise UsageError(
            f"the binding {name}: its file `type` is empty or not one line", hint=_TYPE_HINT
        )
    return text
