"""The layers of the run image below an application image, which a build may not have needed."""

from collections.abc import Callable

from lifecycle.labels import lifecycle_metadata
from oci.errors import Error, ImageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.store import ImageStore, StoredImage


def complete_layers(
    stored: StoredImage, platform: Platform, store: ImageStore, *, tell: Callable[[str], None]
) -> None:
    """Bring the layers that are missing into the store. Raises ImageError or RegistryError."""
    if stored.complete:
        return
    run_image = lifecycle_metadata(stored.config, origin=str(stored.reference)).run_image
    missing = set(stored.layout.missing_layers(stored.image))
    for text in filter(None, (run_image.image, run_image.reference)):
        name = _parsed(text)
        known = store.find(name, platform) if name is not None else None
        if known is not None and missing <= set(known.image.layer_digests):
            tell(f"Fetching the layers of the run image {text}")
            store.complete(known, platform)
            return
    name = _parsed(run_image.reference)
    if name is not None and name.registry != LOCALHOST:
        tell(f"Fetching the run image {name}")
        store.fetch(ImageLocation.registry(name), platform, reference=None)
    if not stored.complete:
        raise ImageError(
            f"{stored.reference}: {len(missing)} of its layers are neither in the store nor in "
            "the registry of its run image",
            hint="build it again: locald build",
        )


def _parsed(text: str) -> Reference | None:
    try:
        return Reference.parse(text) if text else None
    except Error:
        return None
