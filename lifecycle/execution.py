"""Runs the phases in order, each in a container of its own, and times them."""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lifecycle.build_log import BuildLog
from lifecycle.build_secret import SECRETS, BuildSecret, Redactor
from lifecycle.commands import PhaseCommand, phase_command
from lifecycle.detection import DetectionLog
from lifecycle.detection_summary import verdict_lines
from lifecycle.disk_watch import DiskWatch
from lifecycle.errors import PhaseError
from lifecycle.handed_on import check_handed_on
from lifecycle.inputs import LifecycleInputs
from lifecycle.phase import Phase
from lifecycle.runtime.limits import Enforcement, LimitExceeded
from lifecycle.runtime.spec import ContainerSpec, MemoryFolder, Network, Sandbox
from lifecycle.workspace import Workspace
from oci.errors import DISK_FULL_HINT, Error, StorageError
from oci.process import Stream


@dataclass(frozen=True, kw_only=True)
class PhaseLine:
    """A line that a phase printed. Foreign text: it may hold anything.

    internal: the lifecycle talking to itself, for people who look into it.
    """

    phase: Phase
    stream: Stream
    text: str
    internal: bool = False


PhaseLineSink = Callable[[PhaseLine], None]

_KEPT_LINES = 40
_DISK_FULL = "no space left on device"
_CACHE_LOST = f"the cache could not be kept, its disk is full: {DISK_FULL_HINT}"
_SHOWN_LINES = 20
_LIMIT_WORDS = (
    ("resource temporarily unavailable", "the limit of --pids"),
    ("cannot fork", "the limit of --pids"),
    (": killed", "the limit of --memory"),
    ("file size limit exceeded", "the limit of --max-disk"),
    ("file too large", "the limit of --max-disk"),
)
_NONE_FITS = frozenset({20, 21})
_DETECT_ERROR = 22
_RESTORE_ERROR = 42
_CACHE_UNUSABLE = "the cache cannot be used: build once with --clear-cache"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class PhaseOutcome:
    """A phase that succeeded. `seconds` is wall time, the start of its container included.

    notes: what people should know all the same. detection: what the detect phase said.
    """

    phase: Phase
    seconds: float
    notes: tuple[str, ...] = ()
    detection: DetectionLog | None = None


@dataclass(frozen=True, kw_only=True)
class BuildRoot:
    """What the build phase runs in when extensions changed the build image: its unpacked root
    filesystem, and its environment."""

    rootfs: Path
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What all phases of one build have in common.

    image_env: the builder image's environment. proxy_env: for the phases that run buildpacks.
    build_root: the build phase's own, if it has one.
    limits: of the phases that run buildpacks.
    secrets: files of the build phase; nothing that a phase prints shows what they hold.
    """

    name: str
    rootfs: Path
    inputs: LifecycleInputs
    workspace: Workspace
    image_env: Mapping[str, str]
    proxy_env: Mapping[str, str]
    network: Network
    disk_watch: DiskWatch | None = None
    limits: Enforcement | None = None
    build_root: BuildRoot | None = None
    secrets: tuple[BuildSecret, ...] = ()

    def spec(self, phase: Phase) -> ContainerSpec:
        """The container of a phase."""
        command = phase_command(phase, self.inputs)
        limits = self.limits if phase.runs_buildpacks else None
        return ContainerSpec(
            name=f"{self.name}-{phase}",
            rootfs=self._root(phase).rootfs,
            argv=command.argv,
            env=self._environment(command),
            cwd=PurePosixPath("/"),
            user=self.inputs.uid,
            group=self.inputs.gid,
            mounts=self.workspace.mounts(phase),
            overlays=self.workspace.overlays(phase),
            memory=self._memory(phase),
            network=self.network if phase.runs_buildpacks else Network.NONE,
            read_only_root=not phase.runs_buildpacks,
            hostname="locald",
            rlimits=limits.rlimits if limits is not None else {},
            limits=limits,
            watch=self.disk_watch,
        )

    def run(self, phase: Phase, sandbox: Sandbox, on_line: PhaseLineSink) -> PhaseOutcome:
        """Run a phase; raises PhaseError with its own exit code when it fails."""
        kept: deque[str] = deque(maxlen=_KEPT_LINES)
        log = BuildLog()
        detection = DetectionLog() if phase is Phase.DETECT else None
        disk_full = False
        redact = Redactor(self.secrets)

        def receive(stream: Stream, text: str) -> None:
            nonlocal disk_full
            text = redact(text)
            plain = _COLOR.sub("", text)
            kept.append(plain)
            disk_full = disk_full or _DISK_FULL in plain.lower()
            internal = phase is Phase.BUILD and not log.visible(plain)
            if detection is not None:
                # Nobody reads it in this form; the error or --explain says what it says.
                detection.add(plain)
                internal = True
            on_line(PhaseLine(phase=phase, stream=stream, text=text, internal=internal))

        started = time.monotonic()
        try:
            exit_code = sandbox.run(self.spec(phase), on_line=receive)
        except LimitExceeded as error:
            raise error.within(phase, log.buildpack) from None
        if exit_code != 0:
            raise _failure(phase, exit_code, tuple(kept), log.buildpack, detection)
        if phase.runs_buildpacks:
            check_handed_on(self.workspace.layers, phase, at=self.workspace.paths.layers)
        # The lifecycle only warns when it cannot keep its cache; the image is whole.
        lost_cache = disk_full and phase is Phase.EXPORT
        return PhaseOutcome(
            phase=phase,
            seconds=time.monotonic() - started,
            notes=(_CACHE_LOST,) if lost_cache else (),
            detection=detection,
        )

    def _memory(self, phase: Phase) -> tuple[MemoryFolder, ...]:
        if phase is not Phase.BUILD or not self.secrets:
            return ()
        files = {secret.id: secret.value for secret in self.secrets}
        return (MemoryFolder(target=SECRETS, files=files),)

    def _root(self, phase: Phase) -> BuildRoot:
        own = self.build_root if phase is Phase.BUILD else None
        return own or BuildRoot(rootfs=self.rootfs, env=self.image_env)

    def _environment(self, command: PhaseCommand) -> dict[str, str]:
        proxies = self.proxy_env if command.phase.runs_buildpacks else {}
        return {**self._root(command.phase).env, **proxies, **command.env}


def _failure(
    phase: Phase,
    exit_code: int,
    lines: tuple[str, ...],
    buildpack: str,
    detection: DetectionLog | None,
) -> Error:
    errors = [line for line in lines if line.startswith("ERROR: ")]
    full = any(_DISK_FULL in line.lower() for line in lines)
    if full and not phase.runs_buildpacks:
        return StorageError(f"{phase}: the disk is full", details=errors[-3:], hint=DISK_FULL_HINT)
    if phase is Phase.BUILD and buildpack:
        return PhaseError(
            phase,
            exit_code,
            subject=f"the buildpack {buildpack} failed",
            details=errors[-3:],
            hint=f"the disk is full: {DISK_FULL_HINT}" if full else _hint(lines),
        )
    if detection is not None:
        return _detection_failure(exit_code, lines, errors, detection)
    hint = _CACHE_UNUSABLE if exit_code == _RESTORE_ERROR else ""
    return PhaseError(phase, exit_code, details=errors[-3:], hint=hint)


def _hint(lines: tuple[str, ...]) -> str:
    """What fails at a limit of the kernel's is not told apart by its exit code."""
    said = "\n".join(lines).lower()
    for words, flag in _LIMIT_WORDS:
        if words in said:
            return f"its output stands above; {words!r} may mean {flag}"
    return "its output stands above"


def _detection_failure(
    exit_code: int, lines: tuple[str, ...], errors: list[str], log: DetectionLog
) -> PhaseError:
    verdicts = verdict_lines(log.read())
    if exit_code not in _NONE_FITS or not verdicts:
        # What an extension says while it generates is not repeated in the lifecycle's error.
        told = errors[-3:] if exit_code == _DETECT_ERROR else lines[-_SHOWN_LINES:]
        return PhaseError(Phase.DETECT, exit_code, details=told or lines, detection=log)
    return PhaseError(
        Phase.DETECT,
        exit_code,
        details=verdicts,
        hint="name a buildpack with --buildpack, or choose another --builder; "
        "--explain tells what each group lacks",
        detection=log,
    )
