"""The port of an application: chosen, seen to be free, and told once it answers."""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lifecycle.runtime.spec import Port
from oci.errors import BusyError, HostError, UsageError

DEFAULT_PORT = 8080
VARIABLE = "PORT"
_LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.1
# Something listens on the host at once; it hangs up when the application does not answer yet.
_HANG_UP_SECONDS = 0.3


def choose_port(
    env: Mapping[str, str],
    *,
    flag: int | None,
    service: int | None,
    container: int | None,
    shared_network: bool,
) -> Port:
    """The host's port: --port > PORT of the environment > the service's > 8080; 0 is any free
    one. The container's: container_port > PORT > the same as the host's.

    shared_network: the application listens on the host itself, so both are one.
    Raises UsageError for a PORT that is none, BusyError when the port is taken.
    """
    asked = _port_variable(env)
    wanted = next(p for p in (flag, asked, service, DEFAULT_PORT) if p is not None)
    host = require_free(asked if shared_network and asked else wanted)
    return Port(host=host, container=host if shared_network else container or asked or host)


def require_free(port: int) -> int:
    """The port itself, or a free one for 0. Raises BusyError when something listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise HostError(
                    f"this user may not open port {port}", hint="choose one above 1023: --port 8080"
                ) from error
            raise BusyError(
                f"port {port} of this host is taken by another program",
                hint="stop it, or choose another port: --port N (--port 0 takes any free one)",
            ) from error
        number: int = probe.getsockname()[1]
        return number


def answers(port: int) -> bool:
    """Does an application answer there? A forwarder alone accepts, but hangs up at once."""
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=1.0) as connection:
            connection.settimeout(_HANG_UP_SECONDS)
            try:
                return connection.recv(1) != b""
            except TimeoutError:
                return True  # It waits for us to speak first, as web servers do.
    except OSError:
        return False


@contextmanager
def announced(
    port: Port | None, tell: Callable[[str], None], *, stopping: threading.Event
) -> Iterator[None]:
    """During the block, tell the application's address as soon as it answers.

    stopping: set once the application is asked to end; a forwarder that loses it may seem to
        answer.
    """
    if port is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set() and not stopping.is_set():
            started = time.monotonic()
            if answers(port.host) and not ended.is_set() and not stopping.is_set():
                tell(f"http://localhost:{port.host}")
                return
            ended.wait(max(0.0, _POLL_SECONDS - (time.monotonic() - started)))

    watcher = threading.Thread(target=watch, name="port watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(timeout=2.0)


def _port_variable(env: Mapping[str, str]) -> int | None:
    text = env.get(VARIABLE)
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise UsageError(f"{VARIABLE} is {text[:60]!r}, which is no port number")
    return int(text)
