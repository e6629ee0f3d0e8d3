"""Layers written here: the same content always gives the same digests.

Entries come sorted, with owners, modes and times that are set and not inherited; gzip carries no
time. What is written is streamed: both digests (of the tar, and of the compressed blob) are
computed on the way, and memory use does not depend on the size.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self, cast

from oci.digest import Digest
from oci.errors import ImageError, StorageError
from oci.gzip_stream import GzipStream
from oci.image import OCI_LAYER_GZIP, Descriptor
from oci.layout import Layout
from oci.tar_content import padding, write_content
from oci.zstd_stream import ZSTD_MAGIC, open_zstd

# 1980-01-01T00:00:01Z: what pack and the lifecycle use; zip files cannot say anything earlier.
CONSTANT_TIME = 315532801
# A Debian root filesystem of 535 MB with two cores: level 1 gives 199 MB, 4 gives 186 MB in the
# same time, 6 gives 180 MB in twice the time.
_LEVEL = 4
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Owner:
    """Numeric ids of an entry."""

    uid: int
    gid: int


ROOT = Owner(0, 0)


@dataclass(frozen=True, kw_only=True)
class WrittenLayer:
    """A layer whose blob is in the layout. `size_bytes` is that of the uncompressed tar."""

    descriptor: Descriptor
    diff_id: Digest
    size_bytes: int


class LayerWriter:
    """Writes one layer into a layout's blobs.

    with LayerWriter(layout) as layer:
        layer.add_folder(PurePosixPath("/workspace"), owner=Owner(1000, 1000))
    layer.written  # a WrittenLayer
    """

    def __init__(self, layout: Layout, *, mtime: int = CONSTANT_TIME) -> None:
        self._mtime = mtime
        self._blob = BlobWriter(layout)
        self._written: WrittenLayer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._blob.abandon()
            return
        # The two empty blocks that end an archive, padded as tar pads it.
        self._blob.write(bytes(2 * tarfile.BLOCKSIZE))
        self._blob.write(bytes(-self._blob.size_bytes % tarfile.RECORDSIZE))
        self._written = self._blob.close()

    @property
    def written(self) -> WrittenLayer:
        """The finished layer; only after the `with` block."""
        if self._written is None:
            raise ImageError("the layer is not finished")
        return self._written

    def add_folder(self, path: PurePosixPath, *, owner: Owner = ROOT, mode: int = 0o755) -> None:
        """An empty folder, or the owner and mode of one that lower layers have."""
        self._add(path, tarfile.DIRTYPE, mode, owner)

    def add_file(
        self, path: PurePosixPath, content: bytes, *, owner: Owner = ROOT, mode: int = 0o644
    ) -> None:
        """A file with this content."""
        self._add(path, tarfile.REGTYPE, mode, owner, size_bytes=len(content))
        self._blob.write(content)
        self._blob.write(padding(len(content)))

    def add_link(self, path: PurePosixPath, target: str, *, owner: Owner = ROOT) -> None:
        """A symbolic link."""
        self._add(path, tarfile.SYMTYPE, 0o777, owner, link_target=target)

    def add_tree(
        self,
        folder: Path,
        target: PurePosixPath,
        *,
        owner: Owner = ROOT,
        allowed_root: Path | None = None,
    ) -> None:
        """A folder of this host with all that is in it, as `target`.

        Folders become 0755, files 0755 when anybody may execute them and else 0644. Links are
        kept, but one that leaves `folder` and stays inside `allowed_root` becomes what it
        points to: such folders share files with their neighbours.
        """
        tree = _Tree(folder.resolve(), (allowed_root or folder).resolve())
        self._add_tree(tree, tree.root, target, owner, entered=frozenset())

    def _add_tree(
        self,
        tree: "_Tree",
        source: Path,
        target: PurePosixPath,
        owner: Owner,
        *,
        entered: frozenset[Path],
    ) -> None:
        if source in entered:
            raise ImageError(f"{source}: a link leads back to a folder that holds it")
        self.add_folder(target, owner=owner)
        try:
            entries = sorted(source.iterdir(), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            raise ImageError(f"{source} cannot be read: {error.strerror}") from error
        for entry in entries:
            place = target / entry.name
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                link = tree.kept_link(entry)
                if link is not None:
                    self.add_link(place, link, owner=owner)
                    continue
            content = entry.resolve() if stat.S_ISLNK(mode) else entry
            mode = content.stat().st_mode
            if stat.S_ISDIR(mode):
                self._add_tree(tree, content, place, owner, entered=entered | {source})
            elif stat.S_ISREG(mode):
                self._add_host_file(content, place, owner)
            else:
                raise ImageError(f"{entry} is neither a file nor a folder nor a link")

    def _add_host_file(self, source: Path, target: PurePosixPath, owner: Owner) -> None:
        try:
            file = source.open("rb")
        except OSError as error:
            raise ImageError(f"{source} cannot be read: {error.strerror}") from error
        with file:
            status = os.fstat(file.fileno())
            mode = 0o755 if status.st_mode & 0o111 else 0o644
            self._add(target, tarfile.REGTYPE, mode, owner, size_bytes=status.st_size)
            write_content(file, status.st_size, self._blob.write, origin=source)

    def _add(
        self,
        path: PurePosixPath,
        kind: bytes,
        mode: int,
        owner: Owner,
        *,
        size_bytes: int = 0,
        link_target: str = "",
    ) -> None:
        info = tarfile.TarInfo(str(path).lstrip("/"))
        info.type = kind
        info.mode = mode
        info.uid, info.gid = owner.uid, owner.gid
        info.mtime = self._mtime
        info.size = size_bytes
        info.linkname = link_target
        self._blob.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def write_tarball(layout: Layout, tarball: Path) -> WrittenLayer:
    """A tar archive, plain or compressed by gzip, xz, bzip2 or zstd, as a layer: entry by entry as
    it is, compressed anew."""
    blob = BlobWriter(layout)
    try:
        with open_tarball(tarball) as content:
            while data := content.read(_CHUNK_BYTES):
                blob.write(data)
        return blob.close()
    except (EOFError, OSError, lzma.LZMAError) as error:
        blob.abandon()
        raise ImageError(f"{tarball} cannot be read as a tar archive: {error}") from error
    except BaseException:
        blob.abandon()
        raise


def open_tarball(path: Path) -> IO[bytes]:
    """The uncompressed content of a tar archive; the compression is told by its first bytes."""
    openers: dict[bytes, Callable[[Path], object]] = {
        b"\x1f\x8b": gzip.open,
        b"\xfd7zXZ\x00": lzma.open,
        b"BZh": bz2.open,
        ZSTD_MAGIC: open_zstd,
    }
    try:
        with path.open("rb") as file:
            head = file.read(6)
        for magic, opener in openers.items():
            if head.startswith(magic):
                return cast(IO[bytes], opener(path))
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error


class _Tree:
    """Which links of a folder are kept, and which become what they point to."""

    def __init__(self, root: Path, allowed_root: Path) -> None:
        self.root = root
        self._allowed_root = allowed_root

    def kept_link(self, link: Path) -> str | None:
        """The link's target as written, or None when it is to be replaced by its content."""
        written = link.readlink()
        target = Path(os.path.normpath(link.parent / written))
        if target.is_relative_to(self.root) and not written.is_absolute():
            return str(written)
        if target.resolve().is_relative_to(self._allowed_root) and target.exists():
            return None
        if written.is_absolute():
            return str(written)  # it means a place in the image
        raise ImageError(
            f"{link} points to {written}, which is outside of {self._allowed_root}",
            hint="copy what it points to into the folder",
        )


class BlobWriter:
    """Compresses, hashes and stores a stream; the blob gets its name when it is whole.

    `close` or `abandon` ends it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        folder = layout.path / "blobs/sha256"
        self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed by close or abandon
            dir=folder, prefix=".layer-", delete=False
        )
        self._content_hash = hashlib.sha256()
        self._blob_hash = hashlib.sha256()
        self._blob_bytes = 0
        self.size_bytes = 0
        self._gzip = GzipStream(self._store, level=_LEVEL)

    def write(self, data: bytes) -> None:
        self._content_hash.update(data)
        self.size_bytes += len(data)
        self._gzip.write(data)

    def close(self) -> WrittenLayer:
        try:
            self._gzip.close()
            self._file.close()
            digest = Digest(self._blob_hash.hexdigest())
            staged = Path(self._file.name)
            staged.chmod(0o644)
            staged.replace(self._layout.blob_path(digest))
        except BaseException:
            self.abandon()
            raise
        return WrittenLayer(
            descriptor=Descriptor(
                media_type=OCI_LAYER_GZIP, digest=str(digest), size=self._blob_bytes
            ),
            diff_id=Digest(self._content_hash.hexdigest()),
            size_bytes=self.size_bytes,
        )

    def abandon(self) -> None:
        self._gzip.abandon()
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)

    def _store(self, data: bytes) -> None:
        self._blob_hash.update(data)
        self._blob_bytes += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageError(f"a layer cannot be written: {error.strerror}") from error
