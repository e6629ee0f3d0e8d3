"""A build in miniature: a tiny image goes the way of a builder, and a program of it the way of the
phases. The same code, the same tools, the same file system."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    Mount,
    Network,
    OverlayMount,
    RuntimeName,
    Sandbox,
)
from locald.doctor.finding import EXHAUSTED
from locald.doctor.trial_image import PROGRAM, USER, make_trial_image
from locald.doctor.trial_program import OUTPUT, trial_program
from oci.errors import ContainerError, Error, StorageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner, Stream
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage

_WORKSPACE = PurePosixPath("/workspace")
_LAYERS = PurePosixPath("/layers")


class Step(Enum):
    """What a trial does, in this order; each value says it."""

    PLACE = "a work folder was made"
    IMAGE = "skopeo copied an image, and a store took it"
    RUNTIME = "a container runtime was chosen"
    UNPACK = "umoci unpacked it"
    CONTAINER = "a program of it ran in a container"
    NETWORK = "the same with a network"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far a trial came.

    runtime: None when it did not come to that. reason: why this one.
    errors: what stopped it; of the steps that need not wait for each other there may be several.
    """

    runtime: RuntimeName | None = None
    reason: str = ""
    errors: Mapping[Step, Error] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """Can a build work in this way?"""
        return not self.errors


class Trial:
    """place: an existing empty folder on the store's file system."""

    def __init__(self, place: Path, runner: CommandRunner) -> None:
        self.place = place
        self._runner = runner
        self._platform = Platform.of_host()
        self._program = trial_program(self._platform.architecture)
        self._store: ImageStore | None = None
        self._stored: StoredImage | None = None

    @property
    def runs_a_program(self) -> bool:
        """Is there one for this machine? Without, containers are not tried."""
        return self._program is not None

    def prepare(self) -> None:
        """Make the image, let skopeo copy it, and take the copy into a store. Raises Error."""
        try:
            make_trial_image(self.place / "image", self._program or b"", self._platform)
            # Written once, before other checks start programs: what one of them holds open for
            # writing, however shortly, cannot be executed.
            (self.place / "program").write_bytes(self._program or b"")
            (self.place / "program").chmod(0o755)
            skopeo = Skopeo(self._runner)
            self._store = ImageStore(self.place / "store", skopeo)
        except OSError as error:
            raise StorageError(
                f"{self.place.parent} cannot be written: {error.strerror}"
            ) from error
        source = ImageLocation.layout(self.place / "image", "latest")
        copy = ImageLocation.layout(self.place / "copy", "latest")
        # What is here already need not be fetched by skopeo; what goes out always is.
        skopeo.copy(source, copy, platform=self._platform)
        self._stored = self._store.fetch(copy, self._platform, reference=None)

    def attempt(self, runtime: ContainerRuntime, networks: tuple[Network, ...]) -> Outcome:
        """Unpack the image for this runtime, and run its program with each of the networks."""
        started = time.monotonic()
        step = Step.UNPACK

        def reached(now: Step) -> None:
            nonlocal step
            step = now

        error: Error | None = None
        try:
            self._attempt(runtime, networks, reached)
        except Error as failure:
            error = failure
        except EXHAUSTED as failure:
            error = StorageError(f"the trial was stopped: {failure}")
        return Outcome(
            runtime=runtime.name,
            errors={} if error is None else {step: error},
            seconds=time.monotonic() - started,
        )

    def _attempt(
        self,
        runtime: ContainerRuntime,
        networks: tuple[Network, ...],
        reached: Callable[[Step], None],
    ) -> None:
        if self._store is None or self._stored is None:
            raise StorageError("the trial's image was not made")
        id_map = runtime.id_map(USER, USER)
        rootfs = self._store.unpack(self._stored, id_map, tell=lambda _: None)
        if self._program is None:
            return
        folder = self.place / f"with-{runtime.name}"
        for name in ("sandbox", "layers", "source", "changes"):
            (folder / name).mkdir(parents=True)
        # Buildpacks run what they put into /layers, so the place must allow that, too.
        os.link(self.place / "program", folder / "layers/trial")
        with runtime.open(folder / "sandbox") as sandbox:
            for number, network in enumerate(networks):
                reached(Step.CONTAINER if network is Network.NONE else Step.NETWORK)
                argv = (str(PROGRAM if number == 0 else _LAYERS / "trial"),)
                self._run(sandbox, self._spec(rootfs, folder, argv, network, number))

    def _spec(
        self, rootfs: Path, folder: Path, argv: tuple[str, ...], network: Network, number: int
    ) -> ContainerSpec:
        return ContainerSpec(
            name=f"locald-doctor-{self.place.name.lower().strip('.').replace('_', '-')}-{number}",
            rootfs=rootfs,
            argv=argv,
            env={"PATH": "/bin"},
            cwd=PurePosixPath("/"),
            user=USER,
            group=USER,
            mounts=(Mount(source=folder / "layers", target=_LAYERS),),
            overlays=(
                OverlayMount(
                    lower=folder / "source", scratch=folder / "changes", target=_WORKSPACE
                ),
            ),
            network=network,
        )

    def _run(self, sandbox: Sandbox, spec: ContainerSpec) -> None:
        printed: list[str] = []
        left = spec.mounts[0].source / "ok"
        code = sandbox.run(spec, on_line=lambda stream, line: _keep(printed, stream, line))
        if code != 0:
            why = os.strerror(code) if code < 128 else f"signal {code - 128}"
            raise ContainerError(
                f"a program in a container could not do its work: {why}", details=printed
            )
        if OUTPUT not in printed or left.stat().st_uid != os.getuid():
            raise ContainerError("what a container wrote is not this user's", details=printed)
        left.unlink()


def _keep(printed: list[str], _: Stream, line: str) -> None:
    printed.append(line)
