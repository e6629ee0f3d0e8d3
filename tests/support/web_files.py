"""A small web server on the loopback that serves what a test puts there, and does as it says."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from oci.digest import Digest
from tests.support.tls import Tls


@dataclass
class Answer:
    """status: of each request in turn, the last one for the rest. etag: from the body if None.
    cut: how many bytes of the body are left out, though they were promised."""

    body: bytes = b""
    status: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: bool = True
    cut: int = 0


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: Mapping[str, str]
    status: int


class WebFiles:
    """A running server. `files`: path → answer; may change while it runs."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Answer] = {}
        self.requests: list[Request] = []

    def url(self, path: str) -> str:
        """Where it serves a path."""
        return f"{self.address}{path}"


@contextmanager
def serve_files(tls: Tls | None = None) -> Iterator[WebFiles]:
    """Serve on a free port for the duration of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = files.files.get(self.path.partition("?")[0], Answer(status=(404,)))
            before = sum(1 for one in files.requests if one.path == self.path)
            status = answer.status[min(before, len(answer.status) - 1)]
            etag = f'"{Digest.of(answer.body).short}"' if answer.etag else ""
            if status == 200 and etag and self.headers.get("If-None-Match") == etag:
                status = 304
            headers = {name.title(): value for name, value in self.headers.items()}
            files.requests.append(Request(self.path, headers, status))
            body = answer.body if status == 200 else b""
            self.send_response(status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if etag:
                self.send_header("ETag", etag)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # nobody wants it any more
                self.wfile.write(body[: len(body) - answer.cut])
            if answer.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    files = WebFiles(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
