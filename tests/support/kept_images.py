"""Images in a store of a test's own: as if they were fetched, as if they were built."""

from pathlib import Path

from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference
from oci.store import ImageStore, StoredImage
from tests.support.images import make_image

HOST = Platform.of_host()
FETCHED = Reference.parse("registry.example/team/base:1")
BUILT = Reference.parse("localhost/shop:latest")


def fetch(store: ImageStore, layout: Layout, name: Reference | None = FETCHED) -> StoredImage:
    """An image that came from elsewhere, and can be fetched again."""
    return store.fetch(ImageLocation.layout(layout.path, "latest"), HOST, reference=name)


def commit(store: ImageStore, folder: Path, text: str, name: Reference = BUILT) -> StoredImage:
    """An image that was made here."""
    return store.commit(make_image(folder, files={"app": text * 5000}), (name,), HOST)


def tree(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
