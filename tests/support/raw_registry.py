"""A registry that believes everything: it serves the files of a layout, right or wrong, and can
spoil them on the way.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from oci.image import OCI_MANIFEST
from oci.location import ImageLocation
from oci.patience import Patience
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registries import Registries, RegistryAccess


@dataclass(kw_only=True)
class RawRegistry:
    """asked: the paths of all requests so far."""

    host: str
    asked: list[str] = field(default_factory=list)

    @property
    def registries(self) -> Registries:
        """How to reach it."""
        return self.registries_with(Patience())

    def registries_with(self, patience: Patience) -> Registries:
        """How to reach it, with another patience."""
        access = RegistryAccess(insecure=frozenset({self.host}), patience=patience)
        return Registries(CommandRunner(), access)

    @property
    def location(self) -> ImageLocation:
        """The image, by a tag."""
        return ImageLocation.registry(Reference.parse(f"{self.host}/team/app:1"))


_UNKNOWN = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'

Spoil = Callable[[str, bytes], tuple[int, bytes]]
"""The path that was asked for, the right body → the length that is stated, and what is sent."""


@contextmanager
def serve_raw(
    layout: Path, *, spoil: Spoil = lambda _, body: (len(body), body)
) -> Iterator[RawRegistry]:
    """Serve a layout's only image, whatever tag is asked for."""
    index: dict[str, Any] = msgspec.json.decode((layout / "index.json").read_bytes())
    descriptor = index["manifests"][0]
    blobs = layout / "blobs/sha256"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            _, _, last = self.path.rpartition("/")
            name = last.removeprefix("sha256:")
            kind = "application/octet-stream"
            if "/manifests/" in self.path and not last.startswith("sha256:"):
                name = descriptor["digest"].removeprefix("sha256:")
            if "/manifests/" in self.path:
                chosen = descriptor["digest"].endswith(name)
                kind = descriptor["mediaType"] if chosen else OCI_MANIFEST
            found = self.path == "/v2/" or (blobs / name).is_file()
            body = (blobs / name).read_bytes() if found and self.path != "/v2/" else b""
            if not found:
                body, kind = _UNKNOWN, "application/json"
            stated, sent = len(body), body
            if self.command == "GET" and found:
                stated, sent = spoil(self.path, body)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(stated))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(sent)
            self.close_connection = self.close_connection or stated != len(sent)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = RawRegistry(host=f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
