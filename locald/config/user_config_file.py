"""Changes to the user's config.toml: whole or not at all, one after another, never to a file that
the next build would refuse.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from locald.config.build_flags import BuildFlags
from locald.config.errors import ConfigError, key_path, reason, shown
from locald.config.project_files import ProjectFiles
from locald.config.resolve import resolve
from locald.config.secret import parse_secret_source
from locald.config.text_file import read_text
from locald.config.toml_file import convert, parse_toml
from locald.config.user_config import UserConfig
from locald.config.user_setting import (
    UserSetting,
    current_value,
    with_setting,
    without_setting,
)
from locald.paths import Paths
from oci.errors import StorageError
from oci.location import ImageLocation, is_location
from oci.locks import exclusive

_LOCK = ".config.toml.lock"
LOCK_SECONDS = 30.0


def settings_in_file(path: Path) -> Mapping[str, object]:
    """What the file says, unchecked; nothing when there is no such file. Raises ConfigError."""
    return parse_toml(_text(path), path)


def set_value(
    paths: Paths, key: str, values: tuple[str, ...], *, tell: Callable[[str], None]
) -> UserSetting:
    """Write one setting. Raises UsageError, and leaves the file as it was, when the file would then
    hold anything that a build refuses.

    values: several for a key that takes a list.
    """
    setting = UserSetting.parse(key)
    # In the file relative paths start at its own folder, which nobody means here.
    value = setting.value(tuple(_from_here(setting.name, text) for text in values))
    path = paths.user_config
    with _locked(paths, tell):
        text = _text(path)
        parse_toml(text, path)
        changed = with_setting(text, setting, value)
        if changed is None:
            raise _not_editable(path, setting)
        _check(changed, path)
        _write(path, changed)
    return setting


def unset_value(paths: Paths, key: str, *, tell: Callable[[str], None]) -> bool:
    """Take one setting, or a whole table of them, out of the file; also a key that locald does not
    know. False when it was not there.
    """
    path = paths.user_config
    if not path.exists():
        UserSetting.parse(key)
        return False
    with _locked(paths, tell):
        text = _text(path)
        tables = parse_toml(text, path)
        setting = UserSetting.parse(key, also=tables)
        if current_value(tables, setting) is None:
            return False
        changed = without_setting(text, setting)
        if changed is None:
            raise _not_editable(path, setting)
        _write(path, changed)
    return True


def setting_lines(tables: Mapping[str, object], *, at: str = "") -> Iterator[tuple[str, object]]:
    """Every key of a file and its value, those of tables as `TABLE.KEY`."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from setting_lines(value, at=key_path(at, key))
        else:
            yield key_path(at, key), value


def _check(text: str, path: Path) -> None:
    """What `locald build` would say about the file, in a project that says nothing."""
    config = convert(parse_toml(text, path), UserConfig, file=path)
    for identity, source in config.secrets.items():
        parse_secret_source(
            identity,
            source,
            where=f"{shown(path)}: {key_path('secrets', identity)}",
            relative_to=path.parent,
            # Whether a variable is set matters when a build asks for it.
            environ={source.removeprefix("env="): "set"},
        )
    resolve(
        BuildFlags(path=path.parent),
        files=ProjectFiles(folder=path.parent),
        user=config,
        user_file=path,
        environ={},
    )


def _from_here(name: str, text: str) -> str:
    """A value whose relative path, if it holds one, is made absolute."""
    match name:
        case "default-builder" if is_location(text):
            return str(ImageLocation.parse(text, relative_to=Path.cwd()))
        case "volumes" if not text.startswith(("/", "~")):
            return str(Path.cwd() / text)
        case "secrets" if text.startswith("src=") and not text.startswith(("src=/", "src=~")):
            return f"src={Path.cwd() / text.removeprefix('src=')}"
        case _:
            return text


@contextmanager
def _locked(paths: Paths, tell: Callable[[str], None]) -> Iterator[None]:
    folder = paths.ensure(paths.config_dir)
    with exclusive(
        folder / _LOCK,
        what=f"{shown(paths.user_config)}",
        timeout_seconds=LOCK_SECONDS,
        on_wait=tell,
    ):
        yield


def _text(path: Path) -> str:
    return read_text(path) if path.exists() else ""


def _write(path: Path, text: str) -> None:
    """In the place of what is there, which may be a link into somebody's collection of dotfiles."""
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as staged:
            try:
                staged.write(text.encode())
                staged.flush()
                os.fchmod(staged.fileno(), mode)
                os.fsync(staged.fileno())
                Path(staged.name).replace(target)
            except BaseException:
                Path(staged.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StorageError(f"{shown(path)}: cannot be written: {reason(error)}") from error


def _not_editable(path: Path, setting: UserSetting) -> ConfigError:
    return ConfigError(
        f"{shown(path)}: {setting.key}: the file has a form that cannot be edited by a program",
        hint="change this key in an editor",
    )
