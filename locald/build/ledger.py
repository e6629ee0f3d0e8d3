"""What one build has done so far; of a failed one, how far it came."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.detection import DetectionLog
from lifecycle.documents import Group
from lifecycle.execution import PhaseOutcome
from lifecycle.phase import Phase
from lifecycle.platform_api import PlatformApi
from lifecycle.runtime.spec import ContainerSpec
from locald.build.clock import Clock
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.errors import Error
from oci.location import ImageLocation
from oci.moved import Moved
from oci.store import StoredImage

if TYPE_CHECKING:
    from locald.build.acquired import Acquired
    from locald.build.comparison import Comparison
    from locald.build.explain import Explanation


class BuildStatus(StrEnum):
    """How a build ended."""

    RUNNING = "running"
    BUILT = "built"
    UNCHANGED = "unchanged"
    """The last image stands for it; no phase ran."""
    DETECTED = "detected"
    """Nothing else was asked for."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class PhaseEntry:
    """A phase that was started. seconds: None while it runs, or when it failed."""

    phase: Phase
    given: ContainerSpec
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What was found for the request.

    modules: added buildpacks and extensions, and another lifecycle: place in the container →
        digest of what is there. cache: the name of the project's cache.
    """

    builder: StoredImage
    lifecycle_version: str
    run_image: StoredImage
    run_image_name: str
    previous: StoredImage | None
    platform_api: PlatformApi
    runtime: str
    cache: str = ""
    modules: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, acquired: "Acquired", *, cache: str) -> "Inputs":
        """What is known before the phases."""
        previous = acquired.previous
        return cls(
            builder=acquired.builder,
            lifecycle_version=acquired.builder_image.lifecycle_version,
            run_image=acquired.run_image,
            run_image_name=str(acquired.run_image_name),
            previous=previous.stored if previous is not None else None,
            platform_api=acquired.api,
            runtime=str(acquired.selection.runtime.name),
            cache=cache,
        )


@dataclass(kw_only=True)
class Ledger:
    """Filled in while the build runs, by the thread that builds.

    new_layers: digests of the layers that this build made. places: where the image went, or
    was already (kept_places). published: what each repository of a registry got.
    unchanged_since: when the image that stands for this build was built.
    """

    request: BuildRequest
    clock: Clock = field(default_factory=Clock)
    began: float = field(default_factory=time.time)
    status: BuildStatus = BuildStatus.RUNNING
    inputs: Inputs | None = None
    source: Digest | None = None
    phases: list[PhaseEntry] = field(default_factory=list)
    buildpacks: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    explanation: "Explanation | None" = None
    image: StoredImage | None = None
    new_layers: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    kept_places: tuple[str, ...] = ()
    published: tuple[Moved, ...] = ()
    unchanged_since: str = ""
    failure: Error | None = None

    def phase_started(self, phase: Phase, given: ContainerSpec) -> None:
        """A phase is about to start."""
        self.phases.append(PhaseEntry(phase=phase, given=given))

    def phase_finished(self, outcome: PhaseOutcome) -> None:
        """The phase that started last has succeeded."""
        started = self.phases.pop()
        self.phases.append(
            PhaseEntry(phase=started.phase, given=started.given, seconds=outcome.seconds)
        )

    def compared(self, comparison: "Comparison") -> None:
        """The source and what was added have been looked at."""
        self.source = comparison.source
        if self.inputs is not None and self.request.artifacts.report is not None:
            self.inputs = replace(self.inputs, modules=comparison.module_digests())

    def extended(self, run_image: StoredImage, name: str) -> None:
        """Extensions may have chosen another run image."""
        if self.inputs is not None:
            self.inputs = replace(self.inputs, run_image=run_image, run_image_name=name)

    def explain(self, log: DetectionLog | None, *, layers: Path | None) -> None:
        """Detection has ended; `layers` is where it left its result, if it had one."""
        wanted = self.request.explain or self.request.artifacts.report is not None
        if log is not None and wanted and self.inputs is not None:
            # 5 ms, and most builds are not explained.
            from locald.build.explain import explain_phase

            given, api = self.phases[-1].given, self.inputs.platform_api
            self.explanation = explain_phase(log, given, api, layers=layers)

    def detected(self, group: Group) -> None:
        """This group is the one that builds."""
        self.buildpacks = tuple(f"{b.id}@{b.version}" for b in group.group)
        self.extensions = tuple(f"{e.id}@{e.version}" for e in group.group_extensions)
        if self.request.detect_only:
            self.status = BuildStatus.DETECTED

    def unchanged(self, comparison: "Comparison", targets: tuple[ImageLocation, ...]) -> None:
        """The image of the last build stands for this one."""
        assert comparison.last is not None
        self.status = BuildStatus.UNCHANGED
        self.image = comparison.image
        self.buildpacks = comparison.last.buildpacks
        self.unchanged_since = comparison.last.built_at
        self.kept_places = tuple(str(t) for t in targets if comparison.is_there(t))
        self.places = tuple(str(t) for t in targets if not comparison.is_there(t))

    def built(
        self,
        image: StoredImage,
        new_layers: frozenset[str],
        places: tuple[str, ...],
        published: tuple[Moved, ...],
    ) -> None:
        """The image is where it was wanted."""
        self.status = BuildStatus.BUILT
        self.image = image
        self.new_layers = new_layers
        self.places = places
        self.published = published

    def failed(self, error: BaseException) -> None:
        """The build ends with this."""
        self.status = (
            BuildStatus.FAILED if isinstance(error, Exception) else BuildStatus.INTERRUPTED
        )
        self.failure = error if isinstance(error, Error) else None
