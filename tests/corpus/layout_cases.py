"""Layouts whose files are missing, damaged, or something else than files."""

import os
from collections.abc import Callable
from pathlib import Path

from oci.location import ImageLocation
from tests.corpus.image_case import ImageCase, Place
from tests.corpus.made_image import MOTD, MadeImage, layer_path, write_index
from tests.support.images import describe

_Damage = Callable[[Path, Path], object]


def _case(name: str, damage: _Damage, *, refused: str = "", tag: str = "latest") -> ImageCase:
    def make(place: Place) -> ImageLocation:
        layout = MadeImage().write(place.folder / "image")
        damage(layout, place.canary)
        return ImageLocation.layout(layout, tag)

    return ImageCase(name=name, make=make, refused=refused, holds={} if refused else MOTD)


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_dir():
        path.rename(path.with_name("was"))
    else:
        path.unlink()
    make(path)


def _manifest(layout: Path) -> Path:
    return next(p for p in (layout / "blobs/sha256").iterdir() if b'"layers":' in p.read_bytes())


_FILES: dict[str, Callable[[Path], Path]] = {
    "the index": lambda layout: layout / "index.json",
    "the manifest": _manifest,
    "a layer": layer_path,
    "oci-layout": lambda layout: layout / "oci-layout",
}
_STRANGE: dict[str, Callable[[Path, Path], object]] = {
    "a link to the canary": lambda path, canary: path.symlink_to(canary / "precious"),
    "a link to a device without an end": lambda path, _: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path, _: path.symlink_to(path.name),
    "a FIFO": lambda path, _: os.mkfifo(path),
    "a folder": lambda path, _: path.mkdir(),
    "nothing": lambda path, _: None,
}
STRANGE = tuple(
    _case(
        f"{what} is {kind}",
        lambda layout, canary, find=find, make=make: _instead(  # type: ignore[misc]
            find(layout), lambda path: make(path, canary)
        ),
        refused="no plain file|is missing|it has no |cannot be read",
    )
    for what, find in _FILES.items()
    for kind, make in _STRANGE.items()
)
_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "all zeros": lambda data: b"\0" * len(data),
    "another byte": lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
}
DAMAGED = tuple(
    _case(
        f"{what} is {how}",
        lambda layout, _, find=find, change=change: find(layout).write_bytes(  # type: ignore[misc]
            change(find(layout).read_bytes())
        ),
        refused="cannot be read|bytes, |another digest|a layout of version|not a sha256|it holds|"
        "which is not",
    )
    for what, find in _FILES.items()
    for how, change in _DAMAGE.items()
)


def _second_image(layout: Path, _: Path) -> None:
    other = describe(b"another", "application/vnd.oci.image.manifest.v1+json")
    write_index(layout, describe(_manifest(layout).read_bytes(), other["mediaType"]),
                lambda index: index["manifests"].append(other))  # fmt: skip


def _twice(layout: Path, _: Path) -> None:
    manifest = describe(
        _manifest(layout).read_bytes(), "application/vnd.oci.image.manifest.v1+json"
    )
    write_index(layout, manifest, lambda index: index["manifests"].append(index["manifests"][0]))


FOLDERS = (
    _case("a layout with another image beside", _second_image),
    _case("a layout of several images, none named", _second_image, refused="it holds 2 images",
          tag=""),
    _case("a layout of two images of one name", _twice, refused="2 images named 'latest'"),
    _case("a name that the layout does not have", lambda *_: None, refused="no image named 'v2'",
          tag="v2"),
    _case("a layout without an image",
          lambda layout, _: write_index(layout, {}, lambda index: index["manifests"].clear()),
          refused="it holds no image"),
    _case("a layout of version 2",
          lambda layout, _: (layout / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}'),
          refused="a layout of version '2.0.0'"),
    _case("a layout of no version", lambda layout, _: (layout / "oci-layout").write_text("{}"),
          refused="a layout of version ''"),
    _case("a layout of a version that is a number",
          lambda layout, _: (layout / "oci-layout").write_text('{"imageLayoutVersion": 1}'),
          refused="oci-layout cannot be read"),
    _case("blobs that lie elsewhere",
          lambda layout, _: _instead(layout / "blobs", lambda path: path.symlink_to("was"))),
    _case("blobs that are the canary",
          lambda layout, canary: _instead(layout / "blobs", lambda path: path.symlink_to(canary)),
          refused="it has no "),
    _case("a file that may not be read", lambda layout, _: layer_path(layout).chmod(0),
          refused="the layer .* cannot be read: Permission denied"),
    _case("a folder that may not be entered", lambda layout, _: (layout / "blobs").chmod(0),
          refused="cannot be read: Permission denied"),
    _case("an empty folder",
          lambda layout, _: _instead(layout, lambda path: path.mkdir()), refused="it has no "),
    _case("a file where a layout should be",
          lambda layout, _: _instead(layout, lambda path: path.write_text("x")),
          refused="it has no |cannot be read"),
    _case("a FIFO where a layout should be", lambda layout, _: _instead(layout, os.mkfifo),
          refused="it has no |cannot be read"),
    _case("nothing where a layout should be", lambda layout, _: _instead(layout, lambda _: None),
          refused="no such file or folder"),
)  # fmt: skip

CASES = (*STRANGE, *DAMAGED, *FOLDERS)
