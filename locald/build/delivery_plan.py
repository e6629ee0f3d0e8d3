"""Where an image goes, and which registries have layers of it already."""

from lifecycle.app_image import BASE_OWNER, app_layers
from locald.build.acquired import Acquired
from locald.build.deliver import Delivery
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.location import ImageLocation
from oci.reference import LOCALHOST, Reference
from oci.store import StoredImage


def delivery_of(
    image: StoredImage,
    targets: tuple[ImageLocation, ...],
    request: BuildRequest,
    acquired: Acquired,
) -> Delivery:
    """The run image's and the previous image's layers need not pass through this host."""
    origins: dict[Digest, tuple[Reference, ...]] = {}
    previous, run_image = acquired.previous, acquired.run_image
    if previous is not None and previous.remote is not None:
        for digest in previous.stored.image.layer_digests:
            origins[digest] = (previous.remote,)
    source = run_image.source.reference if run_image.source is not None else None
    if source is not None and source.registry != LOCALHOST:
        for digest in run_image.image.layer_digests:
            pinned = source.with_digest(run_image.source_digest)
            origins[digest] = (pinned, *origins.get(digest, ()))
    owners = ((layer.owner, layer.descriptor) for layer in app_layers(image))
    return Delivery(
        image=image,
        targets=targets,
        platform=request.platform,
        sparse=request.sparse,
        base_layers=frozenset(d.parsed_digest() for owner, d in owners if owner == BASE_OWNER),
        origins=origins,
    )
