"""Which names of the store a person means."""

import re
from collections.abc import Sequence

from locald.config.errors import suggestion
from oci.errors import ImageError, UsageError
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.store_names import NamedImage

# As `locald images ls` shows them; shorter ones are likelier names.
_ID = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{12,64})")


def find_names(
    known: tuple[NamedImage, ...], texts: Sequence[str], *, platform: str | None
) -> tuple[NamedImage, ...]:
    """All names that these texts mean, each of them something. `NAME[:TAG]`, or with a digest: then
    every tag of the name that means that image, or what was fetched by it. A digest alone, or
    its beginning: every name of that image.

    platform: None for every one. Raises UsageError for what is no name, ImageError for one that
    is not there; nothing has changed then.
    """
    wanted = None if platform is None else str(Platform.parse(platform))
    found: dict[str, NamedImage] = {}
    for text in texts:
        means = [name for name in known if _means(text, name)] or _by_digest(text, known)
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


def _by_digest(text: str, known: tuple[NamedImage, ...]) -> list[NamedImage]:
    found = _ID.fullmatch(text)
    if found is None:
        return []
    wanted = f"sha256:{found['hex']}"
    means = [one for one in known if one.record and one.record.digest.startswith(wanted)]
    if len({one.record.digest for one in means if one.record}) > 1:
        raise UsageError(f"{text} is the beginning of several digests", hint="give more of it")
    return means


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
