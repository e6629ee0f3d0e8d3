"""The user's own config.toml: what holds for every project of this user."""

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from lifecycle.runtime.spec import Network
from locald.config.pull_policy import PullPolicy
from locald.config.toml_file import convert, read_toml


class UserConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What holds for every project of this user.

    None stands for what is not said. What each key means is in `key_meaning`.
    """

    default_builder: str | None = None
    pull_policy: PullPolicy | None = None
    runtime: Literal["auto", "runc", "podman", "bwrap"] | None = None
    network: Network | None = None
    timeout: str | int | None = None
    memory: str | int | None = None
    pids: str | int | None = None
    max_disk: str | int | None = None
    jobs: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    run_image_mirrors: dict[str, tuple[str, ...]] = {}
    registry_mirrors: dict[str, str | tuple[str, ...]] = {}
    insecure_registries: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    secrets: dict[str, str] = {}


def read_user_config(path: Path) -> UserConfig:
    """The file's settings; none when there is no such file. Raises ConfigError."""
    if not os.path.lexists(path):
        return UserConfig()
    return convert(read_toml(path), UserConfig, file=path)
