"""The use case of `locald run`: from words on a command line to an application that runs."""

import logging
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.labels import default_process
from lifecycle.runtime.network import require_tun
from lifecycle.runtime.outer import in_container
from lifecycle.runtime.select import select_runtime
from lifecycle.runtime.spec import ContainerRuntime, Network, RuntimeName
from locald.build.tools import Tools
from locald.config import procfile
from locald.config.dotenv import check_variable, parse_env_flags, read_env_file
from locald.config.errors import shown, suggestion
from locald.config.locald_toml import LocaldToml, Service
from locald.config.procfile import read_procfile
from locald.config.project_files import read_project_files
from locald.config.user_config import read_user_config
from locald.services.application import Application, RunObserver
from locald.services.image_lookup import FoundImage, find_image
from locald.services.podman_run import PodmanRun
from locald.services.ports import announced, choose_port
from locald.services.start_command import WEB, StartCommand, Wishes, start_command
from locald.services.store_run import run_from_store
from oci.errors import HostError, UsageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """The command line of `locald run`, as written; None or empty where a flag is absent."""

    target: str = "."
    service: str | None = None
    process: str | None = None
    port: int | None = None
    env: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    network: Network | None = None
    runtime: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What the project says about running. key: where locald.toml says it, for messages."""

    service: Service = field(default_factory=Service)
    key: str = ""
    procfile: Mapping[str, str] | None = None


def run_application(
    flags: RunFlags, tools: Tools, observer: RunObserver, *, stopping: threading.Event
) -> int:
    """Run the application in the foreground; its exit code.

    stopping: set by whoever raises an interruption. Raises `oci.errors.Error`, and lets the
    interruption pass once the application has been stopped.
    """
    requested = _runtime(flags, tools)
    found = find_image(flags.target, service=flags.service, store=tools.store, paths=tools.paths)
    settings = _settings(found)
    start = start_command(
        found.stored.config,
        Wishes(
            process=flags.process,
            command=settings.service.command,
            command_origin=f"{settings.key}.command",
            procfile=settings.procfile,
            arguments=flags.arguments,
        ),
        origin=found.name.familiar,
    )
    way = _Way(found, requested, tools, observer)
    network = way.network(flags.network)
    env = _environment(flags, settings)
    application = Application(
        name=found.name,
        container=f"locald-run-{secrets.token_hex(6)}",
        stored=found.stored,
        start=start,
        env=env,
        network=network,
        port=choose_port(
            env,
            flag=flags.port,
            service=settings.service.port,
            container=settings.service.container_port,
            shared_network=network is Network.HOST,
        )
        if network is not Network.NONE and _serves(flags, found, settings, start)
        else None,
    )
    observer.note(f"Running {found.name.familiar}: {start.title}")
    with announced(application.port, observer.note, stopping=stopping):
        return way.run(application)


class _Way:
    """How the application runs: in the user's podman, or from our store with a runtime."""

    def __init__(
        self,
        found: FoundImage,
        requested: RuntimeName | None,
        tools: Tools,
        observer: RunObserver,
    ) -> None:
        self._tools = tools
        self._observer = observer
        self._podman = PodmanRun(tools.runner)
        self._runtime: ContainerRuntime | None = None
        if requested in (None, RuntimeName.PODMAN):
            identifier = found.stored.image.manifest.config.parsed_digest().hex
            obstacle = self._podman.obstacle(found.name, identifier)
            if obstacle is None:
                observer.detail(f"runtime podman: it has the image {found.name}")
                return
            observer.detail(f"not from podman's storage: {obstacle}")
        selection = select_runtime(requested, tools.runner)
        observer.detail(f"runtime {selection.runtime.name}: {selection.reason}")
        self._runtime = selection.runtime

    def network(self, asked: Network | None) -> Network:
        """The one asked for, else a private one, else (in somebody's container) the shared one."""
        if asked is not None:
            return asked
        if self._runtime is not None:
            try:
                require_tun()
            except HostError as error:
                if not in_container():
                    raise
                self._observer.note(f"{error.message}: the application shares this network")
                return Network.HOST
        return Network.PRIVATE

    def run(self, application: Application) -> int:
        """To its end."""
        if self._runtime is None:
            return self._podman.run(application, on_line=self._observer.program_line)
        return run_from_store(application, self._runtime, self._tools, self._observer)


def _settings(found: FoundImage) -> _Settings:
    """locald.toml's table of the service, and the Procfile, of a project's folder."""
    if found.request is None:
        return _Settings()
    files = read_project_files(found.request.project_dir)
    path = found.request.app_dir / procfile.FILE_NAME
    lines = read_procfile(path) if path.is_file() else None
    name = found.request.service or _only_service(files.locald)
    if files.locald is None or name is None:
        return _Settings(procfile=lines)
    return _Settings(
        service=files.locald.services[name],
        key=f"{shown(files.locald_file)}: {files.locald.key(name)}",
        procfile=lines,
    )


def _only_service(locald: LocaldToml | None) -> str | None:
    """The image is the whole project's: whose settings are meant, when no service is built?"""
    services = locald.services if locald is not None else {}
    names = [name for name, service in services.items() if service.type in ("exec", "worker")]
    if len(names) == 1:
        return names[0]
    return WEB if WEB in names else None


def _environment(flags: RunFlags, settings: _Settings) -> dict[str, str]:
    """locald.toml's env < --env-file < --env. CNB_ variables stay the image's own."""
    for name, value in settings.service.env.items():
        check_variable(name, value, where=f"{settings.key}.env.{name}")
    variables = dict(settings.service.env)
    for path in flags.env_files:
        variables.update(read_env_file(path.absolute(), os.environ, on_unset=log.warning))
    variables.update(parse_env_flags(flags.env, os.environ, log.warning))
    return variables


def _serves(flags: RunFlags, found: FoundImage, settings: _Settings, start: StartCommand) -> bool:
    """Does it get a port? Workers do only when one is asked for, so as not to be in the way."""
    if flags.port is not None:
        return True
    if settings.service.type == "worker":
        return False
    default = default_process(found.stored.config) or WEB
    return start.process_type in (None, WEB, default)


def _runtime(flags: RunFlags, tools: Tools) -> RuntimeName | None:
    """--runtime, else the user's own file; None is `auto`."""
    text, origin = flags.runtime, "--runtime"
    if text is None:
        text = read_user_config(tools.paths.user_config).runtime
        origin = f"{shown(tools.paths.user_config)}: runtime"
    choices = ("auto", *RuntimeName)
    if text is not None and text not in choices:
        raise UsageError(
            f"{origin}: {text[:60]!r} is not one of {', '.join(choices)}",
            hint=suggestion(text, choices),
        )
    return None if text in (None, "auto") else RuntimeName(text)
