"""Every folder that locald keeps on this host, decided in one place."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from platformdirs import PlatformDirs

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
    """

    data_dir: Path
    cache_dir: Path
    config_dir: Path
    state_dir: Path

    @classmethod
    def from_environment(cls, overrides: Mapping[str, str] | None = None) -> Self:
        """LOCALD_DATA_DIR, LOCALD_CACHE_DIR and LOCALD_CONFIG_DIR, else the XDG folders.

        An empty variable counts as unset, a relative LOCALD_… starts at the current folder.
        With LOCALD_DATA_DIR the logs live below it too, so that it alone separates one
        installation (or one test) from another.

        overrides: where to look for LOCALD_…, by default the environment. The XDG variables
            always come from there.
        """
        overrides = os.environ if overrides is None else overrides
        data = _override(overrides, DATA_VARIABLE)
        return cls(
            data_dir=data or _platform_dir("data"),
            cache_dir=_override(overrides, CACHE_VARIABLE) or _platform_dir("cache"),
            config_dir=_override(overrides, CONFIG_VARIABLE) or _platform_dir("config"),
            state_dir=data / "state" if data else _platform_dir("state"),
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
        if not _is_text(folder):
            # runc reads its configuration as JSON, and JSON is text.
            raise self._unusable(folder, "its name is not UTF-8")
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
        }
        variable = next(
            (name for base, name in bases.items() if folder.is_relative_to(base)), DATA_VARIABLE
        )
        return StorageError(
            f"cannot use the folder {folder}: {reason}",
            hint=f"set {variable} to a folder that you can write",
        )


def _is_text(path: Path) -> bool:
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def _override(overrides: Mapping[str, str], variable: str) -> Path | None:
    value = overrides.get(variable, "")
    return Path(value).absolute() if value else None


def _platform_dir(kind: Literal["data", "cache", "config", "state"]) -> Path:
    folders = PlatformDirs(_NAME)
    try:
        match kind:
            case "data":
                return folders.user_data_path
            case "cache":
                return folders.user_cache_path
            case "config":
                return folders.user_config_path
            case "state":
                return folders.user_state_path
    except RuntimeError as error:
        raise StorageError(
            f"no folder for {kind}: {error}",
            hint=f"set HOME, or {DATA_VARIABLE}, {CACHE_VARIABLE} and {CONFIG_VARIABLE}",
        ) from error


def _make_private(folder: Path) -> None:
    """mkdir -p, every new folder 0700 whatever the umask (`Path.mkdir` gives parents 0777)."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_private(folder.parent)
    try:
        # Raises for what is there and no folder, but not when another process made it just now.
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder") from error
