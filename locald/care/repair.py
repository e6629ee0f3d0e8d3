"""Repairs a store: fetches again what came from elsewhere, removes what only a build can make.

After it every name that is left means a whole image, or one that is fetched when it is needed.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from lifecycle.builder import METADATA_LABEL
from lifecycle.labels import LIFECYCLE_METADATA, lifecycle_metadata
from locald.build.tools import Tools
from locald.care.damage import (
    Damage,
    Part,
    content_problem,
    find_damage,
    needed_layers,
    shown,
)
from locald.services.base_layers import complete_layers
from oci.digest import Digest
from oci.errors import BusyError, Error, ImageError, StorageError
from oci.image import OCI_MANIFEST, decode_manifest
from oci.layout import Layout
from oci.leases import alone
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import LOCALHOST
from oci.scratch import remove
from oci.store_contents import KeptImage, StoreContents, read_contents
from oci.store_names import NamedImage, StoreNames

_WAIT_SECONDS = 60.0


class Outcome(StrEnum):
    """What became of a damage."""

    FOUND = "found"
    REPAIRED = "repaired"
    LOST = "lost"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """One damage and what became of it. note: how it goes on."""

    part: str
    what: str
    problem: str
    outcome: Outcome
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at, and what was wrong."""

    images: int
    blobs: int
    roots: int
    found: tuple[Verified, ...]

    @property
    def lost(self) -> bool:
        """Is something beyond repair?"""
        return any(one.outcome is Outcome.LOST for one in self.found)


class StoreRepair:
    """tell: what takes a while."""

    def __init__(self, tools: Tools, tell: Callable[[str], None]) -> None:
        self._tools = tools
        self._store = tools.store
        self._tell = tell

    def verify(self, *, repair: bool) -> Verification:
        """Find all damage, and repair it if asked for. Raises BusyError while others bring images
        in."""
        contents = read_contents(self._store.root)
        damages = find_damage(self._store.root, contents, self._tools.runner, tell=self._tell)
        if repair and damages:
            found = self._repair(contents, damages)
        else:
            found = tuple(_verified(damage, Outcome.FOUND) for damage in damages)
        return Verification(
            images=len(contents.images),
            blobs=len(contents.blobs),
            roots=len(contents.roots),
            found=found,
        )

    def _repair(self, contents: StoreContents, damages: tuple[Damage, ...]) -> tuple[Verified, ...]:
        images = {image.hex: image for image in contents.images}
        broken = [images[d.key] for d in damages if d.part is Part.IMAGE]
        dead = tuple(n for n in contents.names if str(n.path) in _keys(damages, Part.NAME))
        with alone(self._store.blobs, timeout_seconds=_WAIT_SECONDS) as free:
            if not free:
                raise BusyError("another locald is bringing something into the image store")
            # Others went on while all was read: what they have put right meanwhile stays.
            for name in _keys(damages, Part.BLOB):
                blob = self._store.blobs / "sha256" / name
                if content_problem(blob):
                    self._unlink(blob)
            StoreNames(self._store.root).remove_unchanged(dead)
        outcomes = {image.hex: self._mend(image, contents) for image in broken}
        for path in _keys(damages, Part.ROOT):
            self._remove_root(Path(path))
        whole = frozenset(read_contents(self._store.root).blobs)
        return tuple(self._outcome(damage, outcomes, contents, whole, dead) for damage in damages)

    def _outcome(
        self,
        damage: Damage,
        images: dict[str, tuple[Outcome, str]],
        contents: StoreContents,
        whole: frozenset[str],
        dead: tuple[NamedImage, ...],
    ) -> Verified:
        match damage.part:
            case Part.IMAGE:
                return _verified(damage, *images[damage.key])
            case Part.ROOT:
                return _verified(damage, Outcome.REPAIRED, "the next build unpacks it again")
            case Part.NAME:
                name = next(one for one in dead if str(one.path) == damage.key)
                fetched = name.reference is not None and name.reference.registry != LOCALHOST
                if fetched:
                    return _verified(damage, Outcome.REPAIRED, "it is fetched when it is needed")
                return _verified(damage, Outcome.LOST, "removed; the next build makes it anew")
            case Part.BLOB:
                if damage.key in whole:
                    return _verified(damage, Outcome.REPAIRED, "fetched again")
                users = [images[i.hex] for i in contents.images if damage.key in i.blobs]
                if any(outcome is Outcome.LOST for outcome, _ in users):
                    return _verified(damage, Outcome.LOST, "removed")
                return _verified(damage, Outcome.REPAIRED, "removed; nothing needs it now")

    def _mend(self, image: KeptImage, contents: StoreContents) -> tuple[Outcome, str]:
        """Put one image right, from what is here or from where it came from."""
        try:
            with suppress(ImageError, StorageError):  # not all of it is here
                self._relink(image)
            if self._is_whole(image, contents):
                return Outcome.REPAIRED, "put right"
            self._fetch(image)
            if self._is_whole(image, contents):
                return Outcome.REPAIRED, "fetched again"
            reason = "nobody has it any more"
        except (Error, OSError) as error:
            reason = str(error)
        if not image.names:
            self._remove_image(image)
            return Outcome.REPAIRED, "removed; it had no name"
        if any(name.record is not None and name.record.source for name in image.names):
            return Outcome.LOST, f"not fetched again: {reason}; the next build tries once more"
        if self._lacks_base_only(image):
            return Outcome.REPAIRED, "its run image's layers are fetched when they are needed"
        self._remove_image(image)
        if image.image is not None and METADATA_LABEL in image.image.config.labels:
            return Outcome.LOST, "removed; `locald builder create` makes it anew"
        return Outcome.LOST, "removed; the next build makes it anew"

    def _lacks_base_only(self, image: KeptImage) -> bool:
        again = read_contents(self._store.root)
        now = next((one for one in again.images if one.hex == image.hex), None)
        if now is None or now.image is None or not needed_layers(now) <= again.blobs.keys():
            return False
        config = now.image.config
        if LIFECYCLE_METADATA not in config.labels:
            return False
        run_image = lifecycle_metadata(config, origin=shown(image)).run_image.reference
        return bool(run_image) and not run_image.startswith(f"{LOCALHOST}/")

    def _relink(self, image: KeptImage) -> None:
        """Write the layout anew where its manifest and configuration are still here."""
        manifest = self._store.blobs / "sha256" / image.hex
        if not manifest.is_file():
            return
        data = manifest.read_bytes()
        decoded = decode_manifest(data, origin=shown(image))
        with self._store.staging() as staging:
            layout = Layout.create(staging / "image", blobs=self._store.blobs.absolute())
            config = layout.read_blob(decoded.config.parsed_digest())
            layout.write(data, config, media_type=decoded.media_type or OCI_MANIFEST)
            layout.move_to(image.layout.path)

    def _fetch(self, image: KeptImage) -> None:
        for name in image.names:
            record = name.record
            if record is None or not record.source:
                continue
            source = ImageLocation.parse(record.source, relative_to=Path("/"))
            if source.reference is not None:
                digest = Digest.parse(record.source_digest)
                source = ImageLocation.registry(source.reference.with_digest(digest))
            self._tell(f"Fetching {name.text} again")
            self._store.fetch(source, Platform.parse(name.platform), reference=None)
            return
        self._fetch_base(image)

    def _fetch_base(self, image: KeptImage) -> None:
        """The run image's layers of an application."""
        for name in image.names:
            if name.reference is None:
                continue
            platform = Platform.parse(name.platform)
            found = self._store.find(name.reference, platform)
            if found is not None and LIFECYCLE_METADATA in found.config.labels:
                complete_layers(found, platform, self._store, tell=self._tell)
                return
        raise ImageError("it was made on this host")

    def _is_whole(self, image: KeptImage, contents: StoreContents) -> bool:
        """As whole as it was: what was here is here again, and all that only a build can make."""
        if not image.layout.readable:
            return False
        again = read_contents(self._store.root)
        now = next((one for one in again.images if one.hex == image.hex), None)
        if now is None or now.image is None:
            return False
        had = now.blobs & contents.blobs.keys()
        return (had | needed_layers(now)) <= again.blobs.keys()

    def _remove_root(self, path: Path) -> None:
        """One that a build uses stays as it is, but no other build begins to use it."""
        self._store.leases.release()  # what was looked at is not used
        with alone(path) as free:
            (path / "COMPLETE").unlink(missing_ok=True)
            if free:
                remove(path, self._tools.runner)

    def _remove_image(self, image: KeptImage) -> None:
        StoreNames(self._store.root).remove_unchanged(image.names)
        self._store.leases.release()
        with alone(image.layout.path) as free:
            if free:
                remove(image.layout.path, self._tools.runner)

    def _unlink(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            remove(path, self._tools.runner)
        else:
            path.unlink(missing_ok=True)


def _keys(damages: tuple[Damage, ...], part: Part) -> frozenset[str]:
    return frozenset(damage.key for damage in damages if damage.part is part)


def _verified(damage: Damage, outcome: Outcome, note: str = "") -> Verified:
    return Verified(
        part=str(damage.part),
        what=damage.what,
        problem=damage.problem,
        outcome=outcome,
        note=note,
    )
