"""Deletes from a store what nobody names or uses, beside running builds.

While nobody brings blobs in, and nobody can then (`ImageStore.staging` shares `blobs/`), what is
no image's goes. A layout or an unpacked root goes only when no process has a lease on it; what a
process uses stays with all its blobs. Deleting starts with what needs no space to be deleted.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oci.allocation import allocated_bytes
from oci.errors import BusyError
from oci.leases import alone
from oci.locks import FileLock
from oci.process import CommandRunner
from oci.removal import delete
from oci.scratch import abandoned_folders, remove, remove_abandoned, scratch_folder
from oci.store_contents import KeptImage, KeptRoot, StoreContents, read_contents
from oci.store_names import StoreNames
from oci.store_prune_plan import PrunePlan, PruneRules, plan_prune

_WAIT_SECONDS = 60.0
_PASSING_LOCKS = ("fetch-*.lock", "rootfs-*.lock")


@dataclass(frozen=True, kw_only=True)
class PruneReport:
    """What went, or would go. freed_bytes: all of it. in_use: what stays because a process uses
    it. left_bytes: what the store has now; leftovers: folders of killed processes."""

    names: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    blobs: int = 0
    leftovers: int = 0
    in_use: int = 0
    freed_bytes: int = 0
    left_bytes: int = 0


class StorePruner:
    """work: the folder of running builds, which killed ones leave something in."""

    def __init__(
        self,
        store: Path,
        work: Path,
        runner: CommandRunner,
        *,
        on_wait: Callable[[str], None] = lambda _: None,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._scratch = (store / "tmp", work)
        self._runner = runner
        self._on_wait = on_wait
        self._wait_seconds = wait_seconds

    def prune(self, rules: PruneRules, *, dry_run: bool) -> PruneReport:
        """Raises BusyError when others keep bringing images in."""
        leftovers = [folder for parent in self._scratch for folder in abandoned_folders(parent)]
        leftover_bytes = allocated_bytes(*leftovers)
        if not dry_run:
            for parent in filter(Path.is_dir, self._scratch):
                remove_abandoned(parent, self._runner)
        with ExitStack() as stack:
            # Left last, when others may go on: it is deleted then, with all that is in it.
            trash = None if dry_run else self._trash(stack)
            stack.enter_context(self._sole())
            contents = read_contents(self._store)
            size = contents.size_bytes  # of everything, while it is there
            plan = plan_prune(contents, rules)
            images = tuple(self._free_images(plan.images))
            roots = tuple(root for root in plan.roots if _free(root.path))
            sole = PrunePlan(names=plan.names, images=images, roots=roots, strays=plan.strays)
            if dry_run:
                kept, gone_roots = sole.kept_images(contents), roots
                blobs = _unneeded(contents, kept)
            else:
                StoreNames(self._store).remove(plan.names)
                StoreNames(self._store).remove_unfinished()
                images = tuple(image for image in images if _remove_layout(image))
                kept = PrunePlan(images=images).kept_images(contents)
                blobs = _unneeded(contents, kept)
                for name in blobs:
                    (self._store / "blobs/sha256" / name).unlink(missing_ok=True)
                _remove_strays(plan.strays)
                self._remove_locks(contents)
                gone_roots = tuple(root for root in roots if self._remove_root(root, trash))
        freed = (
            leftover_bytes
            + sum(contents.blobs[name] for name in blobs)
            + sum(image.own_bytes for image in images)
            + sum(root.size_bytes for root in gone_roots)
        )
        return PruneReport(
            names=tuple(name.text for name in plan.names),
            images=tuple(image.hex for image in images),
            roots=tuple(root.path.name for root in gone_roots),
            blobs=len(blobs),
            leftovers=len(leftovers) + len(plan.strays),
            in_use=len(plan.images) - len(images) + len(plan.roots) - len(gone_roots),
            freed_bytes=freed,
            left_bytes=size - (freed - leftover_bytes),
        )

    @contextmanager
    def _sole(self) -> Iterator[None]:
        blobs = self._store / "blobs"
        with alone(blobs) as free:
            if free:
                yield
                return
        self._on_wait("waiting: another locald is bringing something into the image store")
        with alone(blobs, timeout_seconds=self._wait_seconds) as free:
            if not free:
                raise BusyError(
                    "another locald is still bringing something into the image store",
                    hint="try again when its fetch or build has ended",
                )
            yield

    def _free_images(self, images: Iterable[KeptImage]) -> Iterator[KeptImage]:
        return (image for image in images if _free(image.layout.path))

    def _trash(self, stack: ExitStack) -> Path | None:
        """A folder to move things into, out of everybody's way; None without space for one."""
        try:
            return stack.enter_context(scratch_folder(self._store / "tmp", self._runner))
        except OSError:
            return None

    def _remove_root(self, root: KeptRoot, trash: Path | None) -> bool:
        with alone(root.path) as free:
            if not free:
                return not root.path.exists()
            if trash is not None:
                with suppress(OSError):
                    root.path.rename(trash / root.path.name)
                    return True
            (root.path / "COMPLETE").unlink(missing_ok=True)
            remove(root.path, self._runner)
            return True

    def _remove_locks(self, contents: StoreContents) -> None:
        """Of what is no longer there."""
        known = {f"rootfs-{root.image[:32]}-{root.ids}.lock" for root in contents.roots}
        for pattern in _PASSING_LOCKS:
            for path in (self._store / "locks").glob(pattern):
                lock = None if path.name in known else FileLock.take(path)
                if lock is not None:
                    path.unlink(missing_ok=True)
                    lock.release()


def _free(path: Path) -> bool:
    with alone(path) as free:
        return free


def _remove_layout(image: KeptImage) -> bool:
    path = image.layout.path
    with alone(path) as free:
        if free:
            shutil.rmtree(path, ignore_errors=True)
        return free


def _unneeded(contents: StoreContents, kept: tuple[KeptImage, ...]) -> tuple[str, ...]:
    needed = {name for image in kept for name in image.blobs}
    return tuple(name for name in contents.blobs if name not in needed)


def _remove_strays(strays: Iterable[Path]) -> None:
    for path in strays:
        delete(path)
