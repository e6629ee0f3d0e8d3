"""What is to be inspected: an image of the store, a project's, or one at a location."""

from pathlib import Path

from locald.build.tools import Tools
from locald.inspect.inspection import Inspection, inspect_image
from locald.services.image_lookup import find_image, names_of
from oci.errors import ImageError, UsageError
from oci.image import decode_manifest
from oci.layout import Layout, LayoutImage
from oci.location import ImageLocation, is_location
from oci.platform import Platform
from oci.skopeo import RemoteImage
from oci.store import StoredImage


def inspect_subject(text: str, *, service: str | None, tools: Tools) -> Inspection:
    """Read manifest and configuration, and nothing else.

    text: TRANSPORT:TARGET, else a folder, else a name in the store. Raises UsageError,
    ImageError or RegistryError.
    """
    if is_location(text):
        if service is not None:
            raise UsageError("--service needs a project's folder, not an image")
        location = ImageLocation.parse(text, relative_to=Path.cwd())
        remote = tools.skopeo.remote_image(location, platform=Platform.of_host())
        return inspect_image(_in_memory(remote, location), [location.reference or str(location)])
    found = find_image(text, service=service, store=tools.store, paths=tools.paths)
    names = names_of(found.stored.digest, tools.store)
    return inspect_image(found.stored, sorted(names, key=lambda name: name != found.name))


def _in_memory(remote: RemoteImage, location: ImageLocation) -> StoredImage:
    """The documents in the form that all readers take; there are no layers behind them."""
    manifest = decode_manifest(remote.manifest_bytes, origin=str(location))
    if len(manifest.layers) != len(remote.config.rootfs.diff_ids):
        raise ImageError(f"{location}: manifest and configuration do not fit together")
    return StoredImage(
        reference=location.reference,
        layout=Layout(Path("/nonexistent")),
        image=LayoutImage(
            digest=remote.digest,
            media_type=remote.media_type,
            manifest=manifest,
            config=remote.config,
            manifest_bytes=remote.manifest_bytes,
            config_bytes=remote.config_bytes,
        ),
        source=location,
        source_digest=remote.digest,
    )
