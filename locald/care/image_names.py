"""Which names of the store a person means."""

from collections.abc import Sequence

from locald.config.errors import suggestion
from oci.errors import ImageError
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.store_names import NamedImage


def find_names(
    known: tuple[NamedImage, ...], texts: Sequence[str], *, platform: str | None
) -> tuple[NamedImage, ...]:
    """All names that these texts mean, each of them something. `NAME[:TAG]`, or with a digest: then
    every tag of the name that means that image, or what was fetched by it.

    platform: None for every one. Raises UsageError for what is no name, ImageError for one that
    is not there; nothing has changed then.
    """
    wanted = None if platform is None else str(Platform.parse(platform))
    found: dict[str, NamedImage] = {}
    for text in texts:
        means = [name for name in known if _means(text, name)]
        here = [name for name in means if wanted in (None, name.platform)]
        if not here:
            where = f" for {wanted}" if means and wanted is not None else ""
            short = [name.text.removesuffix(":latest") for name in known]
            raise ImageError(
                f"there is no image {text[:200]} in the store{where}",
                hint=suggestion(text, short) if short else "",
            )
        found |= {str(name.path): name for name in here}
    return tuple(found.values())


def _means(text: str, name: NamedImage) -> bool:
    if name.reference is None:
        return False
    for reading in (Reference.parse(text, default_registry=LOCALHOST), Reference.parse(text)):
        if reading.digest is None:
            if name.reference == reading.with_default_tag():
                return True
        elif name.reference.name == reading.name and (
            name.reference.digest == reading.digest
            or (name.record is not None and name.record.digest == str(reading.digest))
        ):
            return True
    return False
