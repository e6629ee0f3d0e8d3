"""Every folder that locald keeps on this host, decided in one place."""

import errno
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from oci.errors import StorageError

DATA_VARIABLE = "LOCALD_DATA_DIR"
CACHE_VARIABLE = "LOCALD_CACHE_DIR"
CONFIG_VARIABLE = "LOCALD_CONFIG_DIR"

_NAME = "locald"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The folders of one user, all absolute. Nothing is created until `ensure`.

    data_dir: what must not be lost or is expensive to make: images, unpacked root filesystems.
    cache_dir: what may be deleted at any time.
    config_dir: what the user wrote.
    state_dir: logs.
    runtime_dir: sockets and process files, gone after a reboot.
    """

    data_dir: Path
    cache_dir: Path
    config_dir: Path
    state_dir: Path
    runtime_dir: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """LOCALD_DATA_DIR, LOCALD_CACHE_DIR and LOCALD_CONFIG_DIR, else the XDG folders.

        An empty variable counts as unset, a relative LOCALD_… starts at the current folder.
        With LOCALD_DATA_DIR the logs and process files live below it too, so that it alone
        separates one installation (or one test) from another.
        """
        environ = os.environ if environ is None else environ
        given_data = _override(environ, DATA_VARIABLE)
        data = given_data or _xdg(environ, "XDG_DATA_HOME", ".local/share")
        runtime_base = environ.get("XDG_RUNTIME_DIR", "")
        if given_data is None and runtime_base.startswith("/"):
            runtime = Path(runtime_base, _NAME)
        else:
            runtime = data / "run"
        return cls(
            data_dir=data,
            cache_dir=_override(environ, CACHE_VARIABLE)
            or _xdg(environ, "XDG_CACHE_HOME", ".cache"),
            config_dir=_override(environ, CONFIG_VARIABLE)
            or _xdg(environ, "XDG_CONFIG_HOME", ".config"),
            state_dir=data / "state"
            if given_data
            else _xdg(environ, "XDG_STATE_HOME", ".local/state"),
            runtime_dir=runtime,
        )

    @property
    def store(self) -> Path:
        """Images, shared blobs and unpacked root filesystems."""
        return self.data_dir / "store"

    @property
    def work(self) -> Path:
        """Work folders of running builds; on the store's file system, for renames."""
        return self.data_dir / "work"

    @property
    def build_caches(self) -> Path:
        """One CNB cache folder per project, service, platform and builder distribution."""
        return self.cache_dir / "builds"

    @property
    def logs(self) -> Path:
        """Log files, among them the tracebacks of bugs."""
        return self.state_dir / "log"

    @property
    def user_config(self) -> Path:
        """The user's own config.toml."""
        return self.config_dir / "config.toml"

    def ensure(self, folder: Path) -> Path:
        """Create `folder` (one of ours) and its parents for this user alone; returns it.

        Raises StorageError that names the variable to set when it cannot be written.
        """
        try:
            _make_private(folder)
            writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError as error:
            raise self._unusable(folder, error.strerror or str(error)) from error
        if not writable:
            raise self._unusable(folder, "no permission to write there")
        return folder

    def _unusable(self, folder: Path, reason: str) -> StorageError:
        bases = {
            self.cache_dir: CACHE_VARIABLE,
            self.config_dir: CONFIG_VARIABLE,
            self.data_dir: DATA_VARIABLE,
            self.state_dir: DATA_VARIABLE,
            self.runtime_dir: DATA_VARIABLE,
        }
        variable = next(
            (name for base, name in bases.items() if folder.is_relative_to(base)), DATA_VARIABLE
        )
        return StorageError(
            f"cannot use the folder {folder}: {reason}",
            hint=f"set {variable} to a folder that you can write",
        )


def _override(environ: Mapping[str, str], variable: str) -> Path | None:
    value = environ.get(variable, "")
    return Path(value).absolute() if value else None


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """The XDG base directory specification, by hand: platformdirs cannot be given an
    environment, takes relative paths (which the specification says to ignore), and costs 8 ms.
    """
    base = environ.get(variable, "")
    if base.startswith("/"):
        return Path(base, _NAME)
    home = environ.get("HOME", "")
    if not home:
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError as error:
            raise StorageError(
                f"{variable} and HOME are not set, and user {os.getuid()} has no home",
                hint=f"set HOME, or {DATA_VARIABLE}, {CACHE_VARIABLE} and {CONFIG_VARIABLE}",
            ) from error
    return Path(home, default, _NAME).absolute()


def _make_private(folder: Path) -> None:
    """mkdir -p, every new folder 0700 whatever the umask (`Path.mkdir` gives parents 0777)."""
    if not folder.is_dir():
        if folder.exists():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
        if folder.parent != folder:
            _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
