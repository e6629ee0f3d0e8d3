"""An application in the user's own podman, from the image that podman already has.

A container of podman's outlives its client, so a watchdog waits on our lifeline and removes the
container when this process dies in whatever way.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from lifecycle.runtime.network import require_tun
from lifecycle.runtime.podman_argv import env_file_text, in_env_file
from lifecycle.runtime.spec import Network
from locald.services.application import STOP_GRACE_SECONDS, Application
from oci.errors import ContainerError, HostError
from oci.process import Command, CommandResult, CommandRunner, LineSink, find_tool
from oci.reference import Reference

_UNIFIED_CGROUPS = Path("/sys/fs/cgroup/cgroup.controllers")
# The second time catches a container that a client was still making.
_WATCHDOG = 'cat >/dev/null; "$@"; sleep 1; "$@"'
# Where podman looks for the small init that passes signals on and reaps.
_INITS = tuple(
    Path(folder, "catatonit") for folder in ("/usr/libexec/podman", "/usr/lib/podman", "/usr/bin")
)


def run_argv(
    application: Application, *, base: Sequence[str], env_file: Path, init: bool
) -> tuple[str, ...]:
    """The command of one container. The values of variables are not in it: others can read it."""
    names = sorted(name for name in application.added_env if not in_env_file(name))
    return (
        *base,
        "run",
        "--rm",
        "--name", application.container,
        "--pull=never",
        *(("--init",) if init else ()),
        "--cap-drop=all",
        "--security-opt", "no-new-privileges",
        "--http-proxy=false",
        "--log-driver=none",
        "--systemd=false",
        *_network_options(application),
        "--env-file", str(env_file),
        *(word for name in names for word in ("--env", name)),
        "--entrypoint", str(application.start.program),
        "--",
        image_id(application),
        *application.start.arguments,
    )  # fmt: skip


def base_argv(*, unified_cgroups: bool, has_runc: bool) -> tuple[str, ...]:
    """podman and its global options. crun refuses hybrid cgroup hierarchies; runc does not."""
    runtime = ("--runtime", "runc") if has_runc and not unified_cgroups else ()
    return ("podman", "--log-level", "error", *runtime)


def image_id(application: Application) -> str:
    """By which podman knows the image: the digest of its configuration."""
    return application.stored.image.manifest.config.parsed_digest().hex


class PodmanRun:
    """The user's podman."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner
        self._base = base_argv(
            unified_cgroups=_UNIFIED_CGROUPS.exists(), has_runc=find_tool("runc") is not None
        )

    def obstacle(self, name: Reference, identifier: str) -> str | None:
        """Why podman cannot run exactly this image, or None when it can."""
        if find_tool("podman") is None:
            return "podman is not installed"
        found = self._podman("image", "inspect", "--format", "{{.Id}}", str(name))
        if found.exit_code != 0:
            return f"podman does not have the image {name}"
        if found.text.strip().removeprefix("sha256:") != identifier:
            return f"podman has another image under the name {name}"
        return None

    def run(self, application: Application, *, on_line: LineSink) -> int:
        """Run it to its end; the application's exit code (128 + n after signal n)."""
        if application.network is Network.PRIVATE and find_tool("slirp4netns") is not None:
            require_tun()
        remove = ("rm", "--force", "--ignore", "--time", "0", application.container)
        with _env_file(application) as env_file:
            argv = run_argv(
                application,
                base=self._base,
                env_file=env_file,
                init=any(path.is_file() for path in _INITS),
            )
            values = {n: v for n, v in application.added_env.items() if not in_env_file(n)}
            command = Command(
                argv=argv,
                env={**values, **_own_env()},
                stop_grace_seconds=STOP_GRACE_SECONDS,
            )
            watchdog = self._runner.start(
                Command(argv=("sh", "-c", _WATCHDOG, "sh", *self._base, *remove), env=_own_env())
            )
            try:
                result = self._runner.run(command, on_line=on_line, check=False)
            except BaseException:
                self._podman(*remove)
                raise
            finally:
                watchdog.abandon()
        return _exit_code(application, result)

    def _podman(self, *arguments: str) -> CommandResult:
        argv = (*self._base, *arguments)
        return self._runner.run(Command(argv=argv, env=_own_env()), check=False)


def _network_options(application: Application) -> tuple[str, ...]:
    match application.network:
        case Network.NONE:
            return ("--network=none",)
        case Network.HOST:
            return ("--network=host",)
        case Network.PRIVATE:
            ports = application.published
            return (
                # Without slirp4netns podman has pasta, which it knows how to set up.
                *(
                    ("--network=slirp4netns:mtu=65520,allow_host_loopback=false",)
                    if find_tool("slirp4netns")
                    else ()
                ),
                *(f"--publish=127.0.0.1:{port.host}:{port.container}" for port in ports),
            )
        case _:
            assert_never(application.network)


@contextmanager
def _env_file(application: Application) -> Iterator[Path]:
    """The variables that podman would take for itself from its own environment."""
    with tempfile.TemporaryDirectory(prefix="locald-") as folder:
        path = Path(folder, "env")
        path.touch(mode=0o600)
        path.write_text(env_file_text(application.added_env), errors="surrogateescape")
        yield path


def _own_env() -> dict[str, str]:
    """Podman fails on another user's runtime folder, as `su` leaves it, but manages without."""
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    try:
        status = Path(folder).stat() if folder else None
    except OSError:
        status = None
    if status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
        return {}
    return {"XDG_RUNTIME_DIR": ""}


def _exit_code(application: Application, result: CommandResult) -> int:
    """Podman's own 125 to 127 are told apart from the application's by podman's last line."""
    last = result.stderr_tail[-1] if result.stderr_tail else ""
    if result.exit_code in (125, 126, 127) and last.startswith("Error: "):
        if "address already in use" in last and application.port is not None:
            raise HostError(
                f"port {application.port.host} of this host cannot be published",
                details=result.stderr_tail[-1:],
                hint="another program may be listening on it; choose another with --port N",
            )
        raise ContainerError(
            f"podman could not run {application.name.familiar}", details=result.stderr_tail[-3:]
        )
    if result.exit_code < 0:
        raise ContainerError(
            f"podman was killed by signal {-result.exit_code}", details=result.stderr_tail[-3:]
        )
    return result.exit_code
