"""Is a build needed? What it would come from, compared with what the last one came from."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lifecycle.documents import SourceMetadata
from lifecycle.phase import Phase
from lifecycle.source_digest import source_digest
from lifecycle.workspace import Workspace
from locald.build.artifacts import Artifacts
from locald.build.fingerprint import Fingerprint, fingerprint_key, take_fingerprint
from locald.build.last_build import (
    LastBuild,
    forget_last_build,
    last_image,
    last_sbom,
    place_state,
    read_last_build,
    why_not_the_same,
    write_last_build,
    write_places,
)
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.errors import ImageError
from oci.file_digests import FileDigests
from oci.location import ImageLocation
from oci.store import ImageStore, StoredImage
from oci.tree_digest import digest_tree

_FILE_DIGESTS = "file-digests"
_MODULES = "/cnb"


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What a build comes from, before any phase has run.

    revision: asked only when it is needed. cache: the folder of the project's cache.
    """

    request: BuildRequest
    builder: StoredImage
    run_image: tuple[str, StoredImage]
    workspace: Workspace
    revision: Callable[[], SourceMetadata]
    cache: Path

    @property
    def modules(self) -> Mapping[PurePosixPath, Path]:
        """Added buildpacks and extensions, and another lifecycle: place → folder here."""
        mounts = self.workspace.mounts(Phase.BUILD)
        return {m.target: m.source for m in mounts if m.target.is_relative_to(_MODULES)}

    def module_digests(self) -> Mapping[str, str]:
        """What is in each. Raises ImageError."""
        return {str(place): str(digest_tree(folder)) for place, folder in self.modules.items()}

    def source(self, digests: FileDigests) -> Digest | None:
        """Of the source as the build sees it; None when it changes while it is read."""
        try:
            return source_digest(self.workspace.app, digests, hidden=self.workspace.hidden)
        except OSError:
            return None

    def fingerprint(
        self, source: Digest | None, digests: FileDigests, store: Path
    ) -> Fingerprint | None:
        """None when something cannot be read, or goes away meanwhile."""
        if source is None:
            return None
        try:
            return take_fingerprint(
                self.request,
                source=source,
                revision=self.revision(),
                builder=self.builder,
                run_image=self.run_image,
                modules=self.modules,
                digests=digests,
                environ=os.environ,
                key=fingerprint_key(store),
            )
        except (OSError, ImageError):
            return None


class Comparison:
    """The ingredients of this build beside those of the last one.

    wanted: is it known what this build comes from, and shall a later one know?
    source: the source's digest, where somebody wants to know it.
    image: the last image, when a build would make the same one.
    """

    def __init__(
        self, ingredients: Ingredients, store: ImageStore, observer: BuildObserver, *, able: bool
    ) -> None:
        """able: can it be known what this build comes from?"""
        request = ingredients.request
        self._ingredients = ingredients
        self._observer = observer
        self._store = store
        self._record: LastBuild | None = None
        self.wanted = able and request.if_changed is not None and not request.detect_only
        self._fingerprint: Fingerprint | None = None
        self.source: Digest | None = None
        self.image: StoredImage | None = None
        self.last: LastBuild | None = None
        if self.wanted or request.artifacts.report is not None:
            self.source, self._fingerprint = self._look()
        if self.wanted:
            self.last = read_last_build(ingredients.cache)
            # Who forgets the cache, or asks what detection says, wants to see the phases run.
            if request.if_changed and not request.caching.clear and not request.explain:
                self.image = self._unchanged()

    def module_digests(self) -> Mapping[str, str]:
        """Of added buildpacks, extensions, another lifecycle: place → digest."""
        return self._ingredients.module_digests()

    def remember(self, image: StoredImage, buildpacks: tuple[str, ...], left: Artifacts) -> None:
        """Let the image that was built stand for the next one; before anything is cleared away.

        Not when something changed meanwhile: then nobody can tell what it came from.
        """
        if not self.wanted:
            return
        cache = self._ingredients.cache
        _, again = self._look()
        try:
            if self._fingerprint is None or again != self._fingerprint:
                forget_last_build(cache)
                self._observer.detail("something changed during the build: it is not remembered")
                return
            self._record = LastBuild.of(image, self._fingerprint, buildpacks, left.lifecycle_report)
            write_last_build(cache, self._record, left.sbom)
        except OSError as error:
            self._observer.note(f"this build cannot be remembered: {error.strerror}")

    def delivered(self, targets: Iterable[ImageLocation]) -> None:
        """The image is at these places now."""
        record = self._record or (self.last if self.image is not None else None)
        if record is None:
            return
        places = {str(target): place_state(target) for target in targets}
        try:
            write_places(self._ingredients.cache, record, places)
        except OSError as error:
            self._observer.note(f"this build cannot be remembered: {error.strerror}")

    def is_there(self, target: ImageLocation) -> bool:
        """Does the last image still stand where it was put?"""
        state = place_state(target)
        return bool(state) and self.last is not None and self.last.places.get(str(target)) == state

    def artifacts(self) -> Artifacts:
        """What the last build left."""
        assert self.last is not None
        return Artifacts(
            sbom=last_sbom(self._ingredients.cache), lifecycle_report=self.last.lifecycle_report
        )

    def _look(self) -> tuple[Digest | None, Fingerprint | None]:
        path = self._ingredients.cache / _FILE_DIGESTS
        digests = FileDigests.load(path)
        source = self._ingredients.source(digests)
        fingerprint = None
        if self.wanted:
            fingerprint = self._ingredients.fingerprint(source, digests, self._store.root)
        if source is not None:
            try:
                digests.save(path)
            except OSError as error:  # the next look is slower, nothing else
                self._observer.detail(f"{path} cannot be written: {error.strerror}")
        return source, fingerprint

    def _unchanged(self) -> StoredImage | None:
        request = self._ingredients.request
        if self._fingerprint is None:
            reason = "the source changes while it is read"
        elif reason := why_not_the_same(self.last, self._fingerprint):
            pass
        elif self.last is not None:
            image = last_image(self.last, request.local_names, request.platform, self._store)
            if image is not None:
                return image
            reason = "the last image is no longer what its name means, or not whole"
        self._observer.detail(f"a build is needed; {reason}")
        return None
