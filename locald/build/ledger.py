"""What one build has done so far; of a failed one, how far it came."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from lifecycle.execution import PhaseOutcome
from lifecycle.phase import Phase
from lifecycle.runtime.spec import ContainerSpec
from locald.build.clock import Clock
from locald.build.explain import Explanation
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.errors import Error
from oci.store import StoredImage


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
class Delivered:
    """The image at a place. bytes_pushed: None where nobody counted them; of bytes_total."""

    place: str
    seconds: float
    skipped: bool = False
    bytes_pushed: int | None = None
    bytes_total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What was found for the request.

    modules: added buildpacks and extensions, and another lifecycle: place in the container →
        folder here. cache: the name of the project's cache.
    """

    builder: StoredImage
    lifecycle_version: str
    run_image: StoredImage
    run_image_name: str
    previous: StoredImage | None
    platform_api: str
    runtime: str
    cache: str = ""
    modules: Mapping[PurePosixPath, Path] = field(default_factory=dict)


@dataclass(kw_only=True)
class Ledger:
    """Filled in while the build runs, by the thread that builds.

    new_layers: digests of the layers that this build made. unchanged_since: when the image that
    stands for it was built.
    """

    request: BuildRequest
    clock: Clock = field(default_factory=Clock)
    began: float = field(default_factory=time.time)
    status: BuildStatus = BuildStatus.RUNNING
    inputs: Inputs | None = None
    module_digests: Mapping[str, str] = field(default_factory=dict)
    source: Digest | None = None
    phases: list[PhaseEntry] = field(default_factory=list)
    buildpacks: tuple[str, ...] = ()
    explanation: Explanation | None = None
    image: StoredImage | None = None
    new_layers: frozenset[str] = frozenset()
    deliveries: list[Delivered] = field(default_factory=list)
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

    def failed(self, error: Error) -> None:
        """The build ends with this error."""
        self.status = BuildStatus.FAILED
        self.failure = error
