"""The private network of a sandbox, and the files in /etc that tell a container of its network.

A network namespace with slirp4netns in it: connections leave as the invoking user's own, the
host's loopback is out of reach, and nothing can reach in unless a port is published.
"""

import json
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from lifecycle.runtime.spec import Network, Port
from lifecycle.runtime.sysfs import MOUNT_ARGV
from oci.errors import ContainerError, HostError
from oci.process import Command, CommandRunner, RunningCommand
from oci.userns import UserNamespace

log = logging.getLogger(__name__)

TUN = Path("/dev/net/tun")
NAMESERVER = "10.0.2.3"

_TUN_HINT = (
    "let users open it (sudo modprobe tun; sudo chmod 0666 /dev/net/tun), "
    "or choose another network with --network host or --network none"
)
_API_SOCKET = "api"
# The rest is a command that may fail. Says its process id, and how the command ended.
_HOLDER = (
    *("unshare", "--net", "sh", "-c"),
    'ended=0; "$@" 2>/dev/null || ended=$?; echo "$$ $ended"; exec cat >/dev/null',
    "sh",
)


def require_tun(tun: Path = TUN) -> None:
    """Raise HostError unless this user can open the device that a private network is made of."""
    try:
        os.close(os.open(tun, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise HostError(
            f"no private network: {tun} cannot be opened ({error.strerror})", hint=_TUN_HINT
        ) from error


def slirp4netns_argv(*, network_namespace: str, ready_fd: int) -> tuple[str, ...]:
    """Ends when its standard input, our lifeline, does."""
    return (
        "slirp4netns",
        "--configure",
        "--mtu=65520",
        "--disable-host-loopback",
        "--enable-seccomp",
        f"--ready-fd={ready_fd}",
        "--exit-fd=0",
        f"--api-socket={_API_SOCKET}",
        "--netns-type=path",
        network_namespace,
        "tap0",
    )


def resolv_conf(network: Network, host: str) -> str:
    """A container's /etc/resolv.conf, from the text of the host's."""
    match network:
        case Network.HOST:
            return host
        case Network.PRIVATE:
            kept = [
                line
                for line in host.splitlines()
                if line.split(maxsplit=1)[:1] in (["search"], ["domain"], ["options"])
            ]
            return "\n".join([*kept, f"nameserver {NAMESERVER}", ""])
        case Network.NONE:
            return ""


def hosts_file(hostname: str) -> str:
    """A container's /etc/hosts: itself, and nothing of the host's."""
    return f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost {hostname}\n"


class PrivateNetwork:
    """One network namespace with a way out, for containers that run one after another.

    It is made once for a sandbox, because slirp4netns takes longer to start than a container.
    folder: an existing empty folder of ours.
    """

    def __init__(self, runner: CommandRunner, namespace: UserNamespace, folder: Path) -> None:
        self._folder = folder
        require_tun()
        sysfs = folder / "sys"
        sysfs.mkdir(exist_ok=True)  # one that could not be made may have left it
        argv = (*_HOLDER, *MOUNT_ARGV, str(sysfs))
        self._holder = runner.start(Command(argv=namespace.argv(*argv)))
        try:
            pid, _, failed = self._holder.read_line().partition(" ")
            if not pid:
                raise HostError("no network namespace", details=self._holder.stderr_tail)
            self._path = Path("/proc", pid, "ns/net")
            self._sysfs = sysfs if failed == "0" else None
            self._helper = self._start_helper(runner, namespace)
        except BaseException:
            self._holder.close()
            raise

    @property
    def path(self) -> Path:
        """The namespace file, as the processes in the user namespace see it."""
        return self._path

    @property
    def sysfs(self) -> Path | None:
        """A sysfs with the interfaces of this network, as they see it; None where the kernel
        allows no new one."""
        return self._sysfs

    def close(self) -> None:
        """End the helper and the namespace."""
        self._helper.close()
        self._holder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, ports: Sequence[Port]) -> None:
        """Let ports of the host's loopback reach ports of the containers."""
        for port in ports:
            reply = self._ask(
                "add_hostfwd",
                proto="tcp",
                host_addr="127.0.0.1",
                host_port=port.host,
                guest_port=port.container,
            )
            if "error" in reply:
                raise HostError(
                    f"port {port.host} of this host cannot be published",
                    details=[json.dumps(reply["error"])],
                    hint="another program may be listening on it",
                )

    def withdraw(self) -> None:
        """Take back every published port."""
        reply = self._ask("list_hostfwd")
        # slirp4netns 1.2 leaves out the "return" that its manual shows.
        for entry in reply.get("return", reply).get("entries", ()):
            self._ask("remove_hostfwd", id=entry["id"])

    def _start_helper(self, runner: CommandRunner, namespace: UserNamespace) -> RunningCommand:
        # The socket's name must be short, so the helper runs in its folder.
        script = 'cd -- "$1" && shift && exec "$@"'
        ready, told = os.pipe()
        try:
            argv = slirp4netns_argv(network_namespace=str(self._path), ready_fd=told)
            inner = ("sh", "-c", script, "sh", str(self._folder), *argv)
            helper = runner.start(Command(argv=namespace.argv(*inner), pass_fds=(told,)))
        finally:
            os.close(told)
        with os.fdopen(ready, "rb") as pipe:
            if pipe.read(1) == b"1":
                return helper
        helper.close()
        raise HostError(
            "no private network: slirp4netns did not start",
            details=helper.stderr_tail,
            hint="install it (sudo apt install slirp4netns), or choose another network "
            "with --network host or --network none",
        )

    def _ask(self, command: str, **arguments: object) -> dict[str, Any]:
        request = json.dumps({"execute": command, "arguments": arguments}).encode()
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as api:
                api.settimeout(10)
                api.connect(f"/proc/self/fd/{folder}/{_API_SOCKET}")
                api.sendall(request)
                api.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: api.recv(4096), b""))
        except OSError as error:
            raise ContainerError(f"slirp4netns does not answer: {error}") from error
        finally:
            os.close(folder)
        reply: dict[str, Any] = {}
        with suppress(json.JSONDecodeError):
            reply = json.loads(answer)
        return reply
