"""The image whose layers a build may reuse: of this store, or of a registry.

Of a registry's image the manifest, the configuration and the layer with the bill of materials are
fetched. Its other layers stay there: a publication mounts them, another delivery fetches them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lifecycle.app_image import app_layers, reusable, sbom_layer
from locald.build.observer import BuildObserver
from locald.config.image_source import ImageSource
from locald.config.pull_policy import PullPolicy
from locald.config.request import BuildRequest
from oci.errors import ImageError, MissingImageError, RegistryError
from oci.location import ImageLocation, Transport
from oci.reference import LOCALHOST, Reference
from oci.registries import Registries
from oci.registry_errors import AccessRefusedError, WrongLoginError
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage

if TYPE_CHECKING:
    from oci.registry_clients import RegistryClients


class PreviousTools(Protocol):
    """What is needed to find it."""

    @property
    def store(self) -> ImageStore:
        """Images that are here."""
        ...

    @property
    def skopeo(self) -> Skopeo:
        """Its registries are asked."""
        ...


@dataclass(frozen=True, kw_only=True)
class PreviousImage:
    """remote: where its layers are which the store lacks; None when the store has them all."""

    stored: StoredImage
    remote: Reference | None = None


def acquire_previous(
    request: BuildRequest,
    targets: tuple[ImageLocation, ...],
    tools: PreviousTools,
    observer: BuildObserver,
) -> PreviousImage | None:
    """--previous-image, else what the place that is published to holds, else this store's image
    of that name. None when there is nothing to reuse."""
    if request.caching.clear:
        return None
    chosen = request.previous_image
    if chosen is not None:
        return _chosen(chosen, request, tools, observer)
    mine = _in_store(request.local_names[0], request, tools.store)
    place = next((t.reference for t in targets if t.transport is Transport.REGISTRY), None)
    if place is None or request.pull_policy is PullPolicy.NEVER:
        return mine
    try:
        return _of_registry(place, request, tools, observer, known=mine) or mine
    except WrongLoginError:
        raise  # the image could not be pushed there either
    except AccessRefusedError:
        if tools.skopeo.registries.credential(place) is None:
            raise  # nor could anybody push there
        # Some registries say this of a repository that the first push will make.
        observer.detail(f"previous image {place}: may not be read, or is not there yet")
        return mine
    except RegistryError:
        raise
    except ImageError as error:  # of another platform, or not made by buildpacks
        observer.detail(f"previous image {place}: {error}")
        return mine


def _chosen(
    source: ImageSource, request: BuildRequest, tools: PreviousTools, observer: BuildObserver
) -> PreviousImage | None:
    if isinstance(source, ImageLocation) and source.transport is not Transport.REGISTRY:
        observer.step(f"Reading the previous image {source}")
        return PreviousImage(
            stored=_made_by_buildpacks(tools.store.fetch(source, request.platform, reference=None))
        )
    name = source.reference if isinstance(source, ImageLocation) else source
    if name is None:  # pragma: no cover  (a registry's location has one)
        return None
    mine = _in_store(name, request, tools.store)
    if name.registry == LOCALHOST:
        if mine is None:
            observer.note(f"the previous image {name.familiar} is not here: no layer is reused")
        return mine
    if request.pull_policy is PullPolicy.NEVER:
        return mine
    found = _of_registry(name, request, tools, observer, known=mine)
    if found is None:
        observer.note(f"the previous image {name} does not exist: no layer is reused")
    return found


def _in_store(name: Reference, request: BuildRequest, store: ImageStore) -> PreviousImage | None:
    """When all that it is made of is still here."""
    found = store.find(name, request.platform)
    return PreviousImage(stored=found) if found is not None and reusable(found) else None


def _of_registry(
    name: Reference,
    request: BuildRequest,
    tools: PreviousTools,
    observer: BuildObserver,
    *,
    known: PreviousImage | None,
) -> PreviousImage | None:
    """What a registry has under the name; None when it has nothing. known: in the store."""
    # 70 ms, and most builds take no image of a registry as their previous one.
    from oci.registry_clients import RegistryClients

    registries: Registries = tools.skopeo.registries
    with RegistryClients(registries) as clients:
        digest = clients.target(name).digest_of(name)
        if digest is None:
            return None
        if known is not None and known.stored.digest == digest:
            return known
        observer.step(f"Looking up the previous image {name.familiar}")
        pinned = name.with_digest(digest)
        try:
            stored = tools.store.fetch_sparse(
                ImageLocation.registry(pinned), request.platform, reference=None
            )
        except MissingImageError:  # removed this moment
            return None
        _made_by_buildpacks(stored)
        _fetch_sbom(stored, pinned, tools.store, clients)
    observer.detail(f"previous image {pinned}")
    return PreviousImage(stored=stored, remote=pinned)


def _made_by_buildpacks(stored: StoredImage) -> StoredImage:
    try:
        app_layers(stored)
    except ImageError as error:
        raise ImageError(
            f"the previous image {stored.reference or stored.source or ''}: {error.message}",
            hint="name an image that buildpacks built, or leave --previous-image out",
        ) from error
    return stored


def _fetch_sbom(
    stored: StoredImage, image: Reference, store: ImageStore, clients: "RegistryClients"
) -> None:
    """The one layer that the lifecycle reads."""
    # Loaded with the clients.
    from oci.remote_layers import fetch_layers

    digest = sbom_layer(stored)
    layers = [layer for layer in stored.image.manifest.layers if layer.digest == str(digest)]
    if digest is not None:
        fetch_layers(store, layers, {digest: (image,)}, clients)
