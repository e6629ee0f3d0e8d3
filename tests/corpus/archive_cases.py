"""Archives of images, and folders of skopeo's `dir:`."""

import bz2
import gzip
import json
import lzma
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oci.digest import Digest
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from tests.corpus.image_case import ImageCase, Place
from tests.corpus.made_image import CONTENT, MOTD, MadeImage
from tests.support.images import tar_layer
from tests.support.raw_tar import archive, extended, header
from tests.support.zstd import zstd_compress

_Files = Mapping[str, bytes]


def _case(
    name: str, kind: Transport, write: Callable[[Path, Path], object], *, refused: str = ""
) -> ImageCase:
    def make(place: Place) -> ImageLocation:
        path = place.folder / "archive"
        write(path, place.canary)
        return ImageLocation(kind, path=path)

    return ImageCase(name=name, make=make, refused=refused, holds={} if refused else MOTD)


def _tar(files: _Files, *more: bytes) -> bytes:
    return archive(*(header(name, data=data) for name, data in files.items()), *more)


def _layout_files(folder: Path) -> dict[str, bytes]:
    layout = MadeImage().write(folder)
    return {str(p.relative_to(layout)): p.read_bytes() for p in layout.rglob("*") if p.is_file()}


def _oci(
    name: str,
    edit: Callable[[dict[str, bytes]], object] = lambda _: None,
    *more: bytes,
    pack: Callable[[bytes], bytes] = bytes,
    refused: str = "",
) -> ImageCase:
    def write(path: Path, _: Path) -> None:
        files = _layout_files(path.with_name("layout"))
        edit(files)
        path.write_bytes(pack(_tar(files, *more)))

    return _case(f"an OCI archive {name}", Transport.OCI_ARCHIVE, write, refused=refused)


def _zeros(size: int) -> bytes:
    return header("blobs/sha256/zeros", data=b"\0" * size)


OCI = (
    _oci("as podman makes it"),
    _oci("compressed by gzip", pack=gzip.compress),
    _oci("compressed by zstd", pack=zstd_compress),
    _oci("compressed by xz", pack=lzma.compress),
    _oci("cut off", pack=lambda data: data[: len(data) // 2 // 512 * 512],
         refused="damaged|it has"),
    _oci("compressed and cut off", pack=lambda data: gzip.compress(data)[:-30], refused="unpacked"),
    _oci("of zeros", pack=lambda data: b"\0" * len(data), refused="it has no "),
    _oci("of nothing", pack=lambda _: b"", refused="damaged|it has no "),
    _oci("of garbage", pack=lambda _: os.urandom(4096), refused="damaged"),
    _oci("with a name in its parent", lambda files: files.update({"../planted": b"x"}),
         refused="leaves|outside|`..`|damaged|name"),
    _oci("with a link to the canary's place, and a file through it", lambda _: None,
         header("blobs/out", tarfile.SYMTYPE, link="/"), header("blobs/out/planted"),
         refused="link|outside"),
    _oci("whose index is a link",
         lambda files: files.pop("index.json"),
         header("index.json", tarfile.SYMTYPE, link="oci-layout"), refused="no plain file"),
    _oci("with a device", lambda _: None, header("blobs/null", tarfile.CHRTYPE),
         refused="neither|device|kind|cannot"),
    _oci("with an absolute link", lambda _: None,
         header("blobs/x", tarfile.SYMTYPE, link="/etc/passwd"), refused="link|outside"),
    _oci("with a hard link out", lambda _: None,
         header("blobs/x", tarfile.LNKTYPE, link="../../etc/passwd"), refused="."),
    _oci("with two extended headers", lambda _: None, extended({"path": "a"}),
         extended({"path": "../b"}), header("x"), refused="contradict"),
    _oci("with files beside the layout", lambda files: files.update({"README": b"x"})),
    _oci("that is a bomb", lambda _: None, _zeros(18 << 20), pack=gzip.compress,
         refused="holds too much"),
    _oci("without an index", lambda files: files.pop("index.json"), refused="it has no "),
    _oci("without oci-layout", lambda files: files.pop("oci-layout"), refused="it has no "),
    _case("a folder as an OCI archive", Transport.OCI_ARCHIVE, lambda p, _: p.mkdir(),
          refused="no plain file"),
    _case("a FIFO as an OCI archive", Transport.OCI_ARCHIVE, lambda p, _: os.mkfifo(p),
          refused="no plain file"),
    _case("a device as an OCI archive", Transport.OCI_ARCHIVE,
          lambda p, _: p.symlink_to("/dev/zero"), refused="no plain file"),
    _case("no OCI archive", Transport.OCI_ARCHIVE, lambda *_: None,
          refused="no such file or folder"),
)  # fmt: skip


def _docker_files(**changes: Any) -> dict[str, bytes]:
    platform = Platform.of_host()
    config = {
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(CONTENT))]},
        **changes.pop("config", {}),
    }
    data = json.dumps(config).encode()
    name = f"{Digest.of(data).hex}.json"
    manifest = [{"Config": name, "RepoTags": ["a:1"], "Layers": ["layer.tar"], **changes}]
    return {name: data, "layer.tar": CONTENT, "manifest.json": json.dumps(manifest).encode()}


def _docker(
    name: str,
    edit: Callable[[dict[str, bytes]], object] = lambda _: None,
    *more: bytes,
    pack: Callable[[bytes], bytes] = bytes,
    refused: str = "",
    **changes: Any,
) -> ImageCase:
    def write(path: Path, _: Path) -> None:
        files = _docker_files(**changes)
        edit(files)
        path.write_bytes(pack(_tar(files, *more)))

    return _case(f"an archive of docker save {name}", Transport.DOCKER_ARCHIVE, write,
                 refused=refused)  # fmt: skip


_SKOPEO = "cannot be read"
DOCKER = (
    _docker("as it makes it"),
    *(
        _docker(f"compressed by {name}", pack=pack)
        for name, pack in (
            ("gzip", gzip.compress),
            ("xz", lzma.compress),
            ("bzip2", bz2.compress),
            ("zstd", zstd_compress),
        )
    ),
    _docker("with its layer as a link",
            lambda files: files.update({"real.tar": files.pop("layer.tar")}),
            header("layer.tar", tarfile.SYMTYPE, link="real.tar")),
    _docker("with a layer from outside", Layers=["../../../../etc/passwd"], refused=_SKOPEO),
    _docker("with a configuration from outside", Config="/etc/passwd", refused=_SKOPEO),
    _docker("without a manifest", lambda files: files.pop("manifest.json"), refused=_SKOPEO),
    _docker("without its layer", lambda files: files.pop("layer.tar"), refused=_SKOPEO),
    _docker("with a layer too few", Layers=[], refused=_SKOPEO),
    _docker("with a layer too many", Layers=["layer.tar", "layer.tar"], refused=f"{_SKOPEO}|says"),
    _docker("with another layer", lambda files: files.update({"layer.tar": tar_layer({"b": "x"})}),
            refused=f"{_SKOPEO}|does not hold"),
    _docker("with a layer that is no archive",
            lambda files: files.update({"layer.tar": b"nothing" * 300}),
            refused=f"{_SKOPEO}|does not hold|damaged"),
    _docker("whose manifest is nested deeply",
            lambda files: files.update({"manifest.json": b"[" * 100_000}), refused=_SKOPEO),
    _docker("of another platform", config={"os": "windows"}, refused="is made for"),
    _docker("cut off", pack=lambda data: data[:1500], refused=_SKOPEO),
    _docker("compressed and cut off", pack=lambda data: gzip.compress(data)[:-30],
            refused="is damaged"),
    _docker("of garbage", pack=lambda _: os.urandom(4096), refused=_SKOPEO),
    _docker("that is a bomb", lambda _: None, header("zeros", data=b"\0" * (18 << 20)),
            pack=gzip.compress, refused="it holds more than"),
    _case("a FIFO as an archive of docker save", Transport.DOCKER_ARCHIVE,
          lambda p, _: os.mkfifo(p), refused="no plain file"),
    _case("no archive of docker save", Transport.DOCKER_ARCHIVE, lambda *_: None,
          refused="no such file or folder"),
)  # fmt: skip


def _directory(
    name: str, damage: Callable[[Path, Path], object] = lambda *_: None, *, refused: str = ""
) -> ImageCase:
    def write(path: Path, canary: Path) -> None:
        layout = MadeImage().write(path.with_name("layout"))
        path.mkdir()
        (path / "version").write_text("Directory Transport Version: 1.1\n")
        for blob in (layout / "blobs/sha256").iterdir():
            data = blob.read_bytes()
            (path / ("manifest.json" if b'"layers":' in data else blob.name)).write_bytes(data)
        damage(path, canary)

    return _case(f"a folder of skopeo's {name}", Transport.DIRECTORY, write, refused=refused)


def _largest(path: Path) -> Path:
    return max((p for p in path.iterdir() if len(p.name) == 64), key=lambda p: p.read_bytes()[:1])


def _replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


DIRECTORIES = (
    _directory("as it makes it"),
    _directory("with a FIFO", lambda path, _: _replaced(_largest(path), os.mkfifo),
               refused="is no plain file"),
    _directory("with a link to a device",
               lambda path, _: _replaced(_largest(path), lambda p: p.symlink_to("/dev/zero")),
               refused="is no plain file"),
    _directory("with a link to the canary",
               lambda path, canary: _replaced(path / "manifest.json",
                                              lambda p: p.symlink_to(canary / "precious")),
               refused="is no plain file"),
    _directory("without a manifest", lambda path, _: (path / "manifest.json").unlink(),
               refused=_SKOPEO),
    _directory("with a damaged blob", lambda path, _: _largest(path).write_bytes(b"x"),
               refused=_SKOPEO),
    _case("no folder of skopeo's", Transport.DIRECTORY, lambda *_: None,
          refused="no such file or folder"),
    _case("a file as a folder of skopeo's", Transport.DIRECTORY, lambda p, _: p.touch(),
          refused="cannot be read"),
)  # fmt: skip

CASES = (*OCI, *DOCKER, *DIRECTORIES)
