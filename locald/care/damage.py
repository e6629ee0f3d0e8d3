"""Finds what is damaged in the store: torn, zeroed, truncated, deleted, swapped.

Every blob is read and compared with its name, every layout with its documents, every name with
what it means, every unpacked root with the list that umoci wrote of it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from lifecycle.app_image import BASE_OWNER, app_layers
from oci import root_check
from oci.digest import Digest
from oci.errors import CommandError, ImageError
from oci.idmap import SubordinateIds
from oci.plain_file import read_plain_file
from oci.process import CommandRunner
from oci.store import StoredImage
from oci.store_contents import KeptImage, KeptRoot, StoreContents
from oci.store_names import NamedImage
from oci.userns import UserNamespace, user_namespace

_MAX_LAYOUT_BYTES = 4096


class Part(StrEnum):
    """What is damaged."""

    BLOB = "blob"
    IMAGE = "image"
    NAME = "name"
    ROOT = "unpacked image"


class _LayoutFile(msgspec.Struct, frozen=True):
    version: str = msgspec.field(name="imageLayoutVersion")


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One thing that is damaged. key: a digest in hex, or a path. problem: for people."""

    part: Part
    key: str
    what: str
    problem: str


def find_damage(
    store: Path,
    contents: StoreContents,
    runner: CommandRunner,
    *,
    tell: Callable[[str], None],
) -> tuple[Damage, ...]:
    """Everything that is wrong with a store; nothing is changed."""
    tell(f"Reading {len(contents.blobs)} blobs")
    blobs = tuple(_damaged_blobs(store, contents))
    bad = frozenset(damage.key for damage in blobs)
    images = tuple(_damaged_images(store, contents, bad))
    return (*blobs, *images, *_damaged_names(contents), *_damaged_roots(contents, runner, tell))


def needed_layers(image: KeptImage) -> frozenset[str]:
    """The layers that nobody could fetch or make again without a build: of what came from
    elsewhere none, of an application those above its run image, else all."""
    if image.image is None or any(n.record is not None and n.record.source for n in image.names):
        return frozenset()
    every = frozenset(digest.hex for digest in image.image.layer_digests)
    try:
        layers = app_layers(_stored(image))
    except ImageError:
        return every
    own = (one.descriptor.parsed_digest().hex for one in layers if one.owner != BASE_OWNER)
    return frozenset(own)


def shown(image: KeptImage) -> str:
    """An image as people know it."""
    return image.names[0].text if image.names else f"sha256:{image.hex[:12]}"


def content_problem(path: Path) -> str:
    """What is wrong with a file whose name is the digest of what it holds; "" when nothing is, or
    it is not there any more."""
    try:
        if path.is_symlink() or not path.is_file():
            return "is no plain file" if os.path.lexists(path) else ""
        if Digest.of_file(path).hex != path.name:
            return "does not have the content that its name says"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _damaged_blobs(store: Path, contents: StoreContents) -> Iterator[Damage]:
    for name in contents.blobs:
        path = store / "blobs/sha256" / name
        users = [shown(image) for image in contents.images if name in image.blobs]
        what = f"{name[:12]}" + (f" of {users[0]}" if users else "")
        problem = content_problem(path)
        if problem:
            yield Damage(part=Part.BLOB, key=name, what=what, problem=problem)


def _damaged_images(store: Path, contents: StoreContents, bad: frozenset[str]) -> Iterator[Damage]:
    for image in contents.images:
        problem = _image_problem(store, image, contents, bad)
        if problem:
            yield Damage(part=Part.IMAGE, key=image.hex, what=shown(image), problem=problem)


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _image_problem(
    store: Path, image: KeptImage, contents: StoreContents, bad: frozenset[str]
) -> str:
    path = image.layout.path
    blobs = path / "blobs"
    if not blobs.is_symlink() or not _same(blobs, store / "blobs"):
        return "does not lead to the blobs of this store"
    if not _is_layout_file(path):
        return "its oci-layout file is damaged or gone"
    if image.image is None:
        return "its index, manifest or configuration is damaged or gone"
    lost = needed_layers(image) - contents.blobs.keys()
    if lost:
        return f"{len(lost)} of its own layers are gone"
    torn = image.blobs & bad
    sizes = {d.parsed_digest().hex: d.size for d in image.image.manifest.layers}
    for name in image.blobs & contents.blobs.keys() - torn:
        if name in sizes and (blobs / "sha256" / name).stat().st_size != sizes[name]:
            return "its manifest has a wrong size for a layer"
    return f"{len(torn)} of its parts are damaged" if torn else ""


def _damaged_names(contents: StoreContents) -> Iterator[Damage]:
    present = {f"sha256:{image.hex}" for image in contents.images}
    for name in contents.names:
        problem = _name_problem(name, present)
        if problem:
            yield Damage(
                part=Part.NAME,
                key=str(name.path),
                what=f"{name.text} ({name.platform})",
                problem=problem,
            )


def _name_problem(name: NamedImage, present: set[str]) -> str:
    if name.record is None:
        return "cannot be read"
    return "" if name.record.digest in present else "means an image that is not here"


def _damaged_roots(
    contents: StoreContents, runner: CommandRunner, tell: Callable[[str], None]
) -> Iterator[Damage]:
    if not contents.roots:
        return
    tell(f"Comparing {len(contents.roots)} unpacked images with their lists of files")
    ids = SubordinateIds.of_current_user()
    with user_namespace(runner, ids=ids if ids.usable else None) as namespace:
        for root in contents.roots:
            problem = _root_problem(root, namespace)
            if problem:
                names = [shown(image) for image in contents.images if image.hex == root.image]
                what = f"{names[0] if names else root.image[:12]} ({root.ids})"
                yield Damage(part=Part.ROOT, key=str(root.path), what=what, problem=problem)


def _root_problem(root: KeptRoot, namespace: UserNamespace) -> str:
    if root.record is None:
        return "is not whole"
    program = str(Path(root_check.__file__).absolute())
    try:
        result = namespace.run(sys.executable, "-I", "-S", program, str(root.path))
    except CommandError as error:
        return error.details[-1] if error.details else error.message
    lines = result.text.splitlines()
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{lines[0]}{more}" if lines else ""


def _stored(image: KeptImage) -> StoredImage:
    assert image.image is not None
    return StoredImage(
        reference=None,
        layout=image.layout,
        image=image.image,
        source=None,
        source_digest=image.image.digest,
    )


def _is_layout_file(folder: Path) -> bool:
    try:
        data = read_plain_file(folder, "oci-layout", max_bytes=_MAX_LAYOUT_BYTES)
        return msgspec.json.decode(data, type=_LayoutFile).version.startswith("1.")
    except (OSError, ImageError, msgspec.DecodeError, UnicodeDecodeError):
        return False
