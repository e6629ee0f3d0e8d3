"""An image into registries, the last step of a delivery.

Loaded only by builds that publish: the HTTP client costs 70 ms.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from locald.build.observer import BuildObserver
from oci.digest import Digest
from oci.moved import Moved
from oci.publication import Publication
from oci.reference import Reference
from oci.registries import Registries
from oci.registry_clients import RegistryClients
from oci.remote_layers import fetch_layers
from oci.store import ImageStore, StoredImage


class Publisher:
    """A context manager that keeps connections: first `push`, at the very end `tag`.

    origins: which images of registries have a layer.
    """

    def __init__(
        self,
        image: StoredImage,
        *,
        origins: Mapping[Digest, tuple[Reference, ...]],
        registries: Registries,
        observer: BuildObserver,
    ) -> None:
        self._image = image
        self._origins = origins
        self._observer = observer
        self._clients = RegistryClients(registries)
        self._publication: Publication | None = None

    def fetch(self, store: ImageStore, missing: Sequence[Digest]) -> None:
        """Bring layers that the store lacks, for a delivery that needs them here."""
        wanted = set(map(str, missing))
        layers = [d for d in self._image.image.manifest.layers if d.digest in wanted]
        self._observer.step(f"Fetching {len(layers)} reused layers")
        fetch_layers(store, layers, self._origins, self._clients)

    def push(self, targets: Sequence[Reference]) -> tuple[Moved, ...]:
        """Bring everything that the names will mean into their repositories."""
        self._publication = Publication(
            self._image.image,
            self._image.layout,
            targets,
            clients=self._clients,
            origins=self._origins,
        )
        return self._publication.push(tell=self._observer.step)

    def tag(self) -> None:
        """Let the names mean the image."""
        if self._publication is not None:
            self._publication.tag(tell=self._observer.detail)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clients.close()
