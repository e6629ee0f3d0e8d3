"""A server in front of a real registry that does to requests what registries and networks do.

    with serve_faults(registry) as front:
        front.add(Fault("GET .*/manifests/", status=503, times=2))
        … use front.host …
        front.asked      # what came, in order

It can want tokens as large registries do (`token=True`), and speak TLS.
"""

import base64
import http.client
import re
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from oci.location import ImageLocation
from oci.patience import Patience
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registries import Registries, RegistryAccess
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.tls import Tls

# No waiting between tries, and a stall is noticed soon.
IMPATIENT = Patience(
    tries=4, stall_tries=3, pause_seconds=0.01, longest_pause_seconds=2.0, stall_seconds=0.5
)


@dataclass
class Fault:
    """What happens to requests `METHOD /path` that match, so many times.

    skip: how many of them go unharmed before. status: answered by itself, with these headers.
    reset: the connection breaks. stall: no answer; the connection ends after stall_seconds.
    truncate: half of the body, then the end. flip: one bit of the body is another.
    length: so many bytes more are stated than the body has, after which the connection ends.
    short: so many bytes of the body's end are neither sent nor stated. chunked: no length is
    stated; the body comes in pieces. happens: called first; answered: called when the registry has
    done what was asked and nobody was told yet.
    """

    of: str = ""
    times: int = 1_000_000
    skip: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"errors":[{"code":"FAULT","message":"as the test wants it"}]}'
    reset: bool = False
    stall: bool = False
    stall_seconds: float = 30.0
    truncate: bool = False
    flip: bool = False
    length: int = 0
    short: int = 0
    chunked: bool = False
    happens: Callable[[], None] | None = None
    answered: Callable[[], None] | None = None


_NONE = Fault()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request. authorization: the header's value."""

    method: str
    path: str
    authorization: str
    body_bytes: int

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(kw_only=True)
class Front:
    """The running server."""

    host: str
    upstream: str
    tls: Tls | None
    token: bool
    token_uses: int
    faults: list[Fault] = field(default_factory=list)
    asked: list[Seen] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    scopes: list[tuple[str, ...]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, *faults: Fault) -> None:
        """From now on."""
        with self.lock:
            self.faults += faults

    def access(self, **options: Any) -> RegistryAccess:
        """How to reach it, without patience."""
        insecure = frozenset() if self.tls is not None else frozenset({self.host})
        cert_dir = self.tls.cert_dir if self.tls is not None else None
        defaults = {"patience": IMPATIENT, "insecure": insecure, "cert_dir": cert_dir}
        return RegistryAccess(**{**defaults, **options})

    def registries(self, **options: Any) -> Registries:
        """The same, for skopeo and clients."""
        return Registries(CommandRunner(), self.access(**options))

    def reference(self, name: str) -> Reference:
        """The name of an image in it."""
        return Reference.parse(f"{self.host}/{name}").with_default_tag()

    def location(self, name: str) -> ImageLocation:
        """An image in it."""
        return ImageLocation.registry(self.reference(name))

    def count(self, pattern: str) -> int:
        """How many requests match."""
        return sum(bool(re.search(pattern, str(seen))) for seen in self.asked)

    def fault_for(self, request: str) -> Fault | None:
        """The first that matches and has a turn left; takes the turn."""
        with self.lock:
            for fault in self.faults:
                if fault.times <= 0 or not re.search(fault.of, request):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None


@contextmanager
def serve_faults(
    upstream: Registry, *, tls: Tls | None = None, token: bool = False, token_uses: int = 1_000_000
) -> Iterator[Front]:
    """Start one in front of a registry that speaks HTTP.

    token_uses: after so many requests a token has expired.
    """

    class Handler(_Handler):
        front: Front

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    front = Front(
        host=f"127.0.0.1:{server.server_port}",
        upstream=upstream.host,
        tls=tls,
        token=token,
        token_uses=token_uses,
    )
    Handler.front = front
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""

    def handle(self) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def _do(self) -> None:
        front, body = self.front, self._body()
        with front.lock:
            front.asked.append(
                Seen(
                    method=self.command,
                    path=self.path,
                    authorization=self.headers.get("Authorization", ""),
                    body_bytes=len(body),
                )
            )
        fault = front.fault_for(f"{self.command} {self.path}")
        if fault is not None and fault.happens is not None:
            fault.happens()
        if fault is not None and fault.status:
            return self._answer(fault.status, fault.headers, fault.body)
        if fault is not None and fault.reset:
            return self._reset()
        if fault is not None and fault.stall:
            front.released.wait(fault.stall_seconds)
            self.close_connection = True
            return None
        if urlsplit(self.path).path == "/token":
            return self._give_token()
        if front.token and not self._token_holds():
            realm = f"{'https' if front.tls else 'http'}://{front.host}/token"
            challenge = f'Bearer realm="{realm}",service="a test",scope="ignored"'
            return self._answer(401, {"WWW-Authenticate": challenge}, b"{}")
        return self._forward(body, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        connection = http.client.HTTPConnection(self.front.upstream, timeout=30)
        dropped = {"authorization", "connection"} if self.front.token else {"connection"}
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # skopeo sends several of one name
            if name.lower() not in dropped:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        fault = fault or _NONE
        if fault.answered is not None:
            fault.answered()
        kept = {
            k: v
            for k, v in answer.getheaders()
            if k.lower() not in ("connection", "transfer-encoding", "content-length", "date")
        }
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        if fault.flip and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault.short and data:
            data = data[: -fault.short]
            length = len(data)
        self.send_response(answer.status)
        for name, value in kept.items():
            if self.front.tls is not None and name == "Location":
                value = value.replace("http://", "https://", 1)
            self.send_header(name, value)
        if fault.chunked and data:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            half = len(data) // 2
            for piece in (data[:half], data[half:], b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            return
        stated = max(0, int(length or 0) + fault.length)
        self.send_header("Content-Length", str(stated))
        self.end_headers()
        if fault.truncate:
            data = data[: len(data) // 2]
        if self.command != "HEAD":
            self.wfile.write(data)
        # Else the next answer would be taken for the rest of this one.
        self.close_connection |= fault.truncate or bool(fault.length)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _give_token(self) -> None:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {pair}":
            return self._answer(401, {}, b'{"errors":[{"message":"who are you"}]}')
        token = secrets.token_hex(16)
        with self.front.lock:
            self.front.tokens[token] = self.front.token_uses
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            self.front.scopes.append(tuple(scopes))
        return self._answer(200, {}, f'{{"token":"{token}"}}'.encode())

    def _token_holds(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.front.lock:
            left = self.front.tokens.get(token, 0)
            if left > 0:
                self.front.tokens[token] = left - 1
        return left > 0
