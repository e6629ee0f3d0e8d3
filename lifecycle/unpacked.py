"""Folders made once from something with a digest: unpacked archives, images, inline buildpacks.

tree/KEY/     a finished folder; the rename is the last step, and it never changes
tmp/ locks/   what is being made
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from oci.errors import ImageError, StorageError
from oci.layout import Layout, LayoutImage
from oci.leases import Leases
from oci.locks import exclusive
from oci.process import CommandRunner
from oci.scratch import scratch_folder
from oci.stale_files import mark_used, remove_stale
from oci.untar import untar_file


class UnpackedFolders:
    """A cache of such folders below `root`. Containers see them read-only."""

    def __init__(self, root: Path, *, on_wait: Callable[[str], None] = lambda _: None) -> None:
        self._root = root
        self._on_wait = on_wait
        self.leases = Leases()

    def folder(self, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder of a key, which says all that its content depends on.

        fill: makes the content in a new, empty folder; what it raises leaves nothing behind.
        """
        target = self._root / "tree" / key
        if self._used(target):
            return target
        try:
            for name in ("tree", "tmp", "locks"):
                (self._root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(f"{self._root} cannot be made: {error.strerror}") from error
        lock = self._root / "locks" / f"{key}.lock"
        with exclusive(lock, what="the same buildpack", on_wait=self._on_wait):
            if self._used(target):
                return target
            remove_stale(self._root / "tree")
            with scratch_folder(self._root / "tmp", CommandRunner()) as scratch:
                made = scratch / "made"
                made.mkdir()
                fill(made)
                self.leases.take(made)
                made.rename(target)
        return target

    def of_image(
        self,
        kind: str,
        layout: Layout,
        image: LayoutImage,
        *,
        select: Callable[[PurePosixPath], bool],
        origin: str,
    ) -> Path:
        """Files of all layers of an image. kind: begins the key, one for each `select`.

        Raises ImageError when a layer is missing.
        """

        def fill(folder: Path) -> None:
            for digest in image.layer_digests:
                if not layout.has_blob(digest):
                    raise ImageError(f"{origin}: the layer {digest} is missing")
                untar_file(layout.blob_path(digest), folder, select=select, origin=origin)

        return self.folder(f"{kind}-{image.digest.hex}", fill)

    def _used(self, target: Path) -> bool:
        """Is it there? Then nobody deletes it while this process runs."""
        if not target.is_dir():
            return False
        try:
            self.leases.take(target)
        except FileNotFoundError:  # deleted this moment
            return False
        mark_used(target)
        return True
