"""The clients of one piece of work: one for each repository, with what belongs to it alone."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import IO, Self, TypeVar

from oci.digest import Digest
from oci.errors import RegistryError
from oci.image import Descriptor
from oci.reference import Reference
from oci.registries import Registries
from oci.registries_conf import Endpoint
from oci.registry_client import RegistryClient, RemoteManifest
from oci.registry_connection import RegistryConnection

_T = TypeVar("_T")


class RegistryClients:
    """A context manager: leaving it closes every connection."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._clients: dict[tuple[str, str], RegistryClient] = {}
        self._lock = threading.Lock()

    def target(self, image: Reference) -> RegistryClient:
        """The repository that an image of this name is pushed to."""
        return self._client(self._registries.conf.own(image))

    def read(self, image: Reference, work: Callable[[Reference, RegistryClient], _T]) -> _T:
        """Do some reading, at a mirror where there is one, else at the registry.

        work: is given the image's name there.
        """
        *mirrors, own = self._registries.endpoints(image)
        for mirror in mirrors:
            try:
                return work(mirror.reference, self._client(mirror))
            except RegistryError:
                continue
        return work(own.reference, self._client(own))

    def manifest(self, image: Reference) -> RemoteManifest | None:
        """A manifest or an index, by tag or digest."""

        def ask(there: Reference, client: RegistryClient) -> RemoteManifest:
            found = client.manifest(there)
            if found is None:
                raise _NotThereError(str(there))
            return found

        try:
            return self.read(image, ask)
        except _NotThereError:
            return None

    def read_blob(self, image: Reference, blob: Descriptor) -> bytes:
        """A small blob of an image's repository, checked."""
        digest = blob.parsed_digest()
        return self.read(
            image, lambda _, client: client.read_blob(digest, max_bytes=max(blob.size, 1))
        )

    @contextmanager
    def open_blob(
        self, images: Sequence[Reference], digest: Digest, size: int
    ) -> Iterator[IO[bytes]]:
        """A blob of any of these images, as it comes, in one try (see `RegistryClient`)."""
        with ExitStack() as stack:
            yield stack.enter_context(self._first(images, digest, size))

    def save_blob(
        self, images: Sequence[Reference], blob: Descriptor, write: Callable[[IO[bytes]], None]
    ) -> None:
        """Give the bytes of a blob that any of these images has to `write`, which may be called
        again from the start; returns when they were whole and right."""
        digest = blob.parsed_digest()
        failure: RegistryError | None = None
        for image in images:
            try:
                return self.read(
                    image, lambda _, client: client.save_blob(digest, blob.size, write)
                )
            except RegistryError as error:
                failure = failure or error
        raise failure or RegistryError(f"no registry is known that has the blob {digest}")

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _first(
        self, images: Sequence[Reference], digest: Digest, size: int
    ) -> AbstractContextManager[IO[bytes]]:
        places = [endpoint for image in images for endpoint in self._registries.endpoints(image)]
        for place in places[:-1]:
            with suppress(RegistryError):
                if self._client(place).has_blob(digest):
                    return self._client(place).open_blob(digest, size=size, max_bytes=size)
        return self._client(places[-1]).open_blob(digest, size=size, max_bytes=size)

    def _client(self, endpoint: Endpoint) -> RegistryClient:
        place = endpoint.reference
        key = (place.registry, place.repository)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = RegistryClient(
                    place,
                    RegistryConnection(
                        place.registry,
                        cert_dir=self._registries.cert_dir,
                        insecure=endpoint.insecure,
                        patience=self._registries.patience,
                    ),
                    self._registries.credential(place),
                    patience=self._registries.patience,
                )
            return self._clients[key]


class _NotThereError(RegistryError):
    """So that the next place is asked."""
