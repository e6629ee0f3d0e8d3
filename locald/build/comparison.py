"""Is a build needed? What it would come from, compared with what the last one came from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.documents import SourceMetadata
from lifecycle.phase import Phase
from lifecycle.source_digest import source_digest
from lifecycle.workspace import Workspace
from locald.build.artifacts import Sbom
from locald.build.fingerprint import Fingerprint, take_fingerprint
from locald.build.last_build import (
    LastBuild,
    forget_last_build,
    last_image,
    read_last_build,
    why_not_the_same,
    write_last_build,
)
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.errors import ImageError
from oci.file_digests import FileDigests
from oci.store import ImageStore, StoredImage

_FILE_DIGESTS = "file-digests"
_MODULES = "/cnb"


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What a build comes from, before any phase has run.

    cache: the folder of the project's cache.
    """

    request: BuildRequest
    builder: StoredImage
    run_image: tuple[str, StoredImage]
    workspace: Workspace
    revision: SourceMetadata
    cache: Path

    def source(self) -> Digest | None:
        """Of the source as the build sees it; None when it changes while it is read."""
        digests = self._known_digests()
        source = self._source(digests)
        if source is not None:
            self._keep(digests)
        return source

    def fingerprint(self) -> tuple[Digest, Fingerprint] | None:
        """With the source's digest; None when something cannot be read, or goes away meanwhile."""
        digests = self._known_digests()
        source = self._source(digests)
        if source is None:
            return None
        mounts = self.workspace.mounts(Phase.BUILD)
        try:
            fingerprint = take_fingerprint(
                self.request,
                source=source,
                revision=self.revision,
                builder=self.builder,
                run_image=self.run_image,
                modules={m.target: m.source for m in mounts if m.target.is_relative_to(_MODULES)},
                digests=digests,
            )
        except (OSError, ImageError):
            return None
        self._keep(digests)
        return source, fingerprint

    def _source(self, digests: FileDigests) -> Digest | None:
        try:
            return source_digest(self.workspace.app, digests, hidden=self.workspace.hidden)
        except OSError:
            return None

    def _known_digests(self) -> FileDigests:
        return FileDigests.load(self.cache / _FILE_DIGESTS)

    def _keep(self, digests: FileDigests) -> None:
        try:
            digests.save(self.cache / _FILE_DIGESTS)
        except OSError:
            return  # the next look is slower, nothing else


class Comparison:
    """The ingredients of this build beside those of the last one."""

    def __init__(self, ingredients: Ingredients, observer: BuildObserver) -> None:
        self._ingredients = ingredients
        self._observer = observer
        self._taken = ingredients.fingerprint()
        self.last = read_last_build(ingredients.cache)

    @property
    def source(self) -> Digest | None:
        """The source's digest."""
        return self._taken[0] if self._taken is not None else None

    def unchanged(self, store: ImageStore) -> StoredImage | None:
        """The last image, when a build would make the same one; else the reason is told."""
        request = self._ingredients.request
        if self._taken is None:
            reason = "the source changes while it is read"
        elif reason := why_not_the_same(self.last, self._taken[1]):
            pass
        elif self.last is not None:
            image = last_image(self.last, request.names, request.platform, store)
            if image is not None:
                return image
            reason = "the last image is no longer what its name means, or not whole"
        self._observer.detail(f"a build is needed; {reason}")
        return None

    def remember(self, make_record: Callable[[dict[str, str]], LastBuild], sbom: Sbom) -> None:
        """Let the image that was built stand for the next one, unless something changed
        meanwhile: then nobody can tell which of both it came from.

        make_record: from the fingerprint.
        """
        again = self._ingredients.fingerprint()
        cache = self._ingredients.cache
        try:
            if self._taken is None or again != self._taken:
                forget_last_build(cache)
                self._observer.detail("something changed during the build; the next one is whole")
                return
            write_last_build(cache, make_record(dict(self._taken[1])), sbom)
        except OSError as error:
            self._observer.note(f"the build cannot be remembered: {error.strerror}")
