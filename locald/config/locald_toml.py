"""locald.toml: the project and its services, in the upstream format and a little more."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from lifecycle.runtime.spec import Network
from locald.config.errors import ConfigError, key_path, shown, suggestion
from locald.config.toml_file import convert, read_toml

FILE_NAME = "locald.toml"
SERVICE_TYPES = ("exec", "worker", "container", "postgres", "site")

Text = Annotated[str, msgspec.Meta(min_length=1)]
PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]

SERVICE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")


class Build(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[service.NAME.build]`: how this service becomes an image.

    None stands for what is not said here. What each key means is in `key_meaning`, what a project
    may ask for in `project_limits`.
    """

    builder: Text | None = None
    run_image: Text | None = None
    previous_image: Text | None = None
    tags: tuple[Text, ...] | None = None
    platform: Text | None = None
    process: Text | None = None
    creation_time: Text | int | None = None
    buildpacks: tuple[Text, ...] | None = None
    pre: tuple[Text, ...] | None = None
    post: tuple[Text, ...] | None = None
    extensions: tuple[Text, ...] | None = None
    lifecycle: Text | None = None
    disable_system_buildpacks: bool | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    ignore_files: Text | tuple[Text, ...] | None = None
    env: dict[str, str] = {}
    env_file: Text | tuple[Text, ...] | None = None
    exec_env: Text | None = None
    volumes: tuple[Text, ...] | None = None
    bindings: dict[str, Text] = {}
    secrets: tuple[Text, ...] | None = None
    network: Network | None = None
    workspace: Text | None = None
    timeout: Text | int | None = None
    memory: Text | int | None = None
    pids: Text | int | None = None
    max_disk: Text | int | None = None
    cache: Text | None = None
    output: Text | tuple[Text, ...] | None = None


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`health_check = { type = …, … }`; the times are in seconds."""

    type: Literal["http", "tcp", "command"]
    path: str | None = None
    interval: int | None = None
    timeout: int | None = None
    command: str | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[service.NAME]`, also written `[services.NAME]`.

    build: None and False mean that nothing is built; True builds with the defaults. Text is
        the build command of a `site`, whose folder is `path`.
    """

    type: str = "exec"
    command: str | tuple[str, ...] | None = None
    build: bool | str | Build | None = None
    port: PortNumber | None = None
    domains: tuple[str, ...] | None = None
    env: dict[str, str] = {}
    workdir: str | None = None
    depends_on: tuple[str, ...] = ()
    health_check: str | HealthCheck | None = None
    stop_signal: str | None = None
    image: str | None = None
    container_port: PortNumber | None = None
    version: str | None = None
    path: str | None = None

    @property
    def build_options(self) -> Build | None:
        """How to build this service; None when it is not built by buildpacks."""
        if isinstance(self.build, Build):
            return self.build
        return Build() if self.build is True else None


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[project]`."""

    name: Text | None = None
    domain: str | None = None
    workspace: str | None = None
    constellation: str | None = None


class LocaldToml(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `table` is the spelling used for each service: `service` or `services`."""

    project: Project = Project()
    services: Mapping[str, Service] = {}
    tables: Mapping[str, str] = {}

    def key(self, service: str, *keys: str) -> str:
        """The key path of something in a service, as the file spells it."""
        path = key_path(self.tables.get(service, "service"), service)
        for key in keys:
            path = key_path(path, key)
        return path


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Its top level. Plugins and worktrees are upstream's; neither concerns an image."""

    project: Project = Project()
    service: dict[str, dict[str, object]] = {}
    services: dict[str, dict[str, object]] = {}
    plugins: dict[str, object] = {}
    worktrees: dict[str, object] = {}


def read_locald_toml(path: Path) -> LocaldToml:
    """Read and check the whole file. Raises ConfigError."""
    top = convert(read_toml(path), _File, file=path)
    services: dict[str, Service] = {}
    tables: dict[str, str] = {}
    for table, entries in (("service", top.service), ("services", top.services)):
        for name, entry in entries.items():
            at = key_path(table, name)
            if not SERVICE_NAME.fullmatch(name):
                raise ConfigError(
                    f"{shown(path)}: {at}: not a service's name",
                    hint="use up to 63 letters, digits, - and _, beginning with a letter or digit",
                )
            if name in services:
                raise ConfigError(
                    f"{shown(path)}: {at}: the service is also in [service.{name}]",
                    hint=f"keep [service.{name}] and move everything there",
                )
            services[name] = _service(entry, path, at, any_type=bool(top.plugins))
            tables[name] = table
    parsed = LocaldToml(project=top.project, services=services, tables=tables)
    _check_dependencies(parsed, path)
    return parsed


def _service(entry: Mapping[str, object], path: Path, at: str, *, any_type: bool) -> Service:
    if isinstance(entry.get("build"), str) and entry.get("type") != "site":
        raise ConfigError(
            f"{shown(path)}: {at}.build: a command is not supported",
            hint='the form build = "COMMAND" is reserved (locald RFC 0072); '
            'write build = true, or build = { builder = "…" }',
        )
    service = convert(entry, Service, file=path, at=at)
    if service.type not in SERVICE_TYPES and not any_type:
        raise ConfigError(
            f"{shown(path)}: {at}.type: {service.type[:60]!r} is no type of service",
            hint=suggestion(service.type, SERVICE_TYPES),
        )
    options = service.build_options
    if options is not None and options.include is not None and options.exclude is not None:
        raise ConfigError(
            f"{shown(path)}: {at}.build: cannot have both include and exclude",
            hint="keep one of them; exclude patterns may begin with ! to keep a file",
        )
    return service


def _check_dependencies(parsed: LocaldToml, path: Path) -> None:
    for name, service in parsed.services.items():
        for needed in service.depends_on:
            if needed not in parsed.services:
                raise ConfigError(
                    f"{shown(path)}: {parsed.key(name, 'depends_on')}: "
                    f"there is no service {needed[:60]!r}",
                    hint=suggestion(needed, parsed.services),
                )
