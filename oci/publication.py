"""An image on its way into registries: first everything it is made of, then its names.

A tag is put when all blobs and the manifest are there, in every repository, so that nobody can pull
half an image, and so that of several tags none appears while another's content may still fail.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oci.digest import Digest
from oci.errors import Error, ImageError
from oci.image import Descriptor
from oci.layout import Layout, LayoutImage
from oci.moved import Moved
from oci.reference import Reference
from oci.registry_client import Arrival, OpenBlob, RegistryClient, opened
from oci.registry_clients import RegistryClients
from oci.side_by_side import side_by_side

_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class _Blob:
    """A blob, where it is on this host (if it is), and which images of registries have it."""

    digest: Digest
    size: int
    path: Path | None
    data: bytes | None
    origins: tuple[Reference, ...]


class Publication:
    """One image to publish. `push` first; `tag` makes it visible.

    origins: images of registries that have layers which the layout lacks, or that may be mounted.
    """

    def __init__(
        self,
        image: LayoutImage,
        layout: Layout,
        targets: Sequence[Reference],
        *,
        clients: RegistryClients,
        origins: Mapping[Digest, tuple[Reference, ...]],
    ) -> None:
        self._image = image
        self._layout = layout
        self._targets = tuple(dict.fromkeys(targets))
        self._clients = clients
        self._origins = origins

    def push(self, *, tell: Callable[[str], None] = lambda _: None) -> tuple[Moved, ...]:
        """Bring blobs and manifest into every repository; no tag changes."""
        repositories = {target.name: target for target in self._targets}
        moved = []
        for name, target in repositories.items():
            tell(f"Pushing to {name}")
            moved.append(self._push_to(target))
        return tuple(moved)

    def tag(self, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Let the names mean the image. When one fails, the error says which do already."""
        done: list[Reference] = []
        for target in self._targets:
            client = self._clients.target(target)
            try:
                client.push_manifest(target, self._image.manifest_bytes, self._image.media_type)
            except Error as error:
                if done:
                    error.details = (
                        *error.details,
                        f"these names have the new image already: {', '.join(map(str, done))}",
                        f"this one does not: {target}",
                    )
                raise
            tell(f"Published {target}")
            done.append(target)

    def _push_to(self, target: Reference) -> Moved:
        client = self._clients.target(target)
        blobs = self._blobs()

        def push(blob: _Blob) -> tuple[str, int]:
            return self._push_blob(client, blob), blob.size

        counted = {"sent": 0, "copied": 0, "mounted": 0, "present": 0}
        for way, size in side_by_side(push, blobs, workers=_WORKERS):
            counted[way] += size
        manifest = self._image.manifest_bytes
        by_digest = target.with_digest(self._image.digest)
        if client.digest_of(by_digest) == self._image.digest:
            counted["present"] += len(manifest)
        else:
            client.push_manifest(by_digest, manifest, self._image.media_type)
            counted["sent"] += len(manifest)
        return Moved(repository=target.name, **counted)

    def _push_blob(self, client: RegistryClient, blob: _Blob) -> str:
        here = client.repository
        near = [o for o in blob.origins if o.registry == here.registry]
        mount_from = next((o.repository for o in near if o.repository != here.repository), "")
        local = blob.path is not None or blob.data is not None
        arrival = client.push_blob(
            blob.digest, blob.size, self._opener(blob), mount_from=mount_from
        )
        match arrival:
            case Arrival.PRESENT:
                return "present"
            case Arrival.MOUNTED:
                return "mounted"
            case Arrival.UPLOADED:
                return "sent" if local else "copied"

    def _opener(self, blob: _Blob) -> OpenBlob:
        if blob.data is not None:
            return opened(blob.data)
        if blob.path is not None:
            path = blob.path
            return lambda: path.open("rb")
        if not blob.origins:
            raise ImageError(
                f"the layer {blob.digest.short} is neither here nor in a registry that is known",
                hint="build again with --clear-cache",
            )
        return lambda: self._open_remote(blob)

    def _open_remote(self, blob: _Blob) -> AbstractContextManager[IO[bytes]]:
        return self._clients.open_blob(blob.origins, blob.digest, blob.size)

    def _blobs(self) -> tuple[_Blob, ...]:
        """Each once, the largest first: they take longest."""
        manifest = self._image.manifest
        layers = {d.digest: self._blob(d) for d in manifest.layers}
        config = _Blob(
            digest=manifest.config.parsed_digest(),
            size=manifest.config.size,
            path=None,
            data=self._image.config_bytes,
            origins=(),
        )
        return (*sorted(layers.values(), key=lambda b: b.size, reverse=True), config)

    def _blob(self, descriptor: Descriptor) -> _Blob:
        digest = descriptor.parsed_digest()
        return _Blob(
            digest=digest,
            size=descriptor.size,
            path=self._layout.blob_path(digest) if self._layout.has_blob(digest) else None,
            data=None,
            origins=self._origins.get(digest, ()),
        )
