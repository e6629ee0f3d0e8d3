"""Single layers from registries into the store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from oci.digest import Digest
from oci.errors import ImageError
from oci.image import Descriptor
from oci.reference import Reference
from oci.registry_clients import RegistryClients
from oci.side_by_side import side_by_side
from oci.store import ImageStore

_WORKERS = 4
_CHUNK_BYTES = 1 << 20


def fetch_layers(
    store: ImageStore,
    layers: Sequence[Descriptor],
    origins: Mapping[Digest, tuple[Reference, ...]],
    clients: RegistryClients,
) -> None:
    """Fetch the layers that the store lacks; each appears whole and checked, or not at all.

    origins: which images of registries have each. Raises RegistryError.
    """
    with store.staging() as staging:

        def fetch(layer: Descriptor) -> None:
            digest = layer.parsed_digest()
            images = origins.get(digest, ())
            if not images:
                raise ImageError(
                    f"the layer {digest.short} is neither in the store nor in a registry that "
                    "is known",
                    hint="build again with --clear-cache",
                )
            staged = staging / digest.hex
            clients.save_blob(images, layer, lambda body: _write(staged, body))
            staged.replace(store.blobs / "sha256" / digest.hex)

        wanted = {layer.digest: layer for layer in layers}
        missing = [
            layer
            for layer in wanted.values()
            if not (store.blobs / "sha256" / layer.parsed_digest().hex).is_file()
        ]
        side_by_side(fetch, missing, workers=_WORKERS)


def _write(path: Path, body: IO[bytes]) -> None:
    with path.open("wb") as file:
        while chunk := body.read(_CHUNK_BYTES):
            file.write(chunk)
