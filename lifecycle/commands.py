"""The argv and environment of each phase: pure functions, tested by equality.

Source: CNB platform specification 0.12 to 0.15; flags as the lifecycle 0.21 defines them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from lifecycle.image_time import VARIABLE
from lifecycle.inputs import APP_IMAGE, PREVIOUS_IMAGE, LifecycleInputs
from lifecycle.phase import Phase
from lifecycle.platform_api import SINCE


@dataclass(frozen=True, kw_only=True)
class PhaseCommand:
    """What one phase runs. `env` comes on top of the builder image's own environment."""

    phase: Phase
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def phase_command(phase: Phase, inputs: LifecycleInputs) -> PhaseCommand:
    """The command of a phase."""
    match phase:
        case Phase.ANALYZE:
            tail = _analyze(inputs)
        case Phase.DETECT:
            tail = _detect(inputs)
        case Phase.RESTORE:
            tail = _restore(inputs)
        case Phase.BUILD:
            tail = _build(inputs)
        case Phase.EXPORT:
            tail = _export(inputs)
        case _:
            assert_never(phase)
    argv = (
        str(inputs.paths.lifecycle / phase.binary),
        # See build_log and detection: only then does the lifecycle say which buildpack speaks.
        "-log-level", "debug" if phase.runs_buildpacks else "info",
        *(() if inputs.color else ("-no-color",)),
        "-layers", str(inputs.paths.layers),
        *tail,
    )  # fmt: skip
    return PhaseCommand(phase=phase, argv=argv, env=_environment(phase, inputs))


def _environment(phase: Phase, inputs: LifecycleInputs) -> dict[str, str]:
    env = {"CNB_PLATFORM_API": str(inputs.api), "CNB_EXPERIMENTAL_MODE": "quiet"}
    if inputs.api >= SINCE["CNB_EXEC_ENV"]:
        env["CNB_EXEC_ENV"] = inputs.exec_env
    if phase is Phase.EXPORT and inputs.created_seconds is not None:
        env[VARIABLE] = str(inputs.created_seconds)
    return env


def _analyze(inputs: LifecycleInputs) -> tuple[str, ...]:
    previous = ("-previous-image", str(PREVIOUS_IMAGE)) if inputs.has_previous else ()
    return (
        *_layout(inputs),
        *_ids(inputs),
        "-run", str(inputs.paths.run_toml),
        "-run-image", str(inputs.run_image),
        *previous,
        *_skip_layers(inputs),
        str(APP_IMAGE),
    )  # fmt: skip


def _detect(inputs: LifecycleInputs) -> tuple[str, ...]:
    order = ("-order", str(inputs.paths.order_toml)) if inputs.own_order else ()
    # Before that version the lifecycle has no system buildpacks.
    own_system = inputs.own_system and inputs.api >= SINCE["detector -system"]
    system = ("-system", str(inputs.paths.system_toml)) if own_system else ()
    return (
        "-app", str(inputs.paths.app),
        "-platform", str(inputs.paths.platform),
        "-run", str(inputs.paths.run_toml),
        *order,
        *system,
    )  # fmt: skip


def _restore(inputs: LifecycleInputs) -> tuple[str, ...]:
    run = ("-run", str(inputs.paths.run_toml)) if inputs.api >= SINCE["restorer -run"] else ()
    return (
        *_layout(inputs),
        *_ids(inputs),
        *run,
        "-cache-dir", str(inputs.paths.cache),
        *_skip_layers(inputs),
    )  # fmt: skip


def _build(inputs: LifecycleInputs) -> tuple[str, ...]:
    return (
        "-app", str(inputs.paths.app),
        "-platform", str(inputs.paths.platform),
    )  # fmt: skip


def _export(inputs: LifecycleInputs) -> tuple[str, ...]:
    process = ("-process-type", inputs.process_type) if inputs.process_type else ()
    return (
        *_layout(inputs),
        *_ids(inputs),
        "-app", str(inputs.paths.app),
        "-cache-dir", str(inputs.paths.cache),
        "-run", str(inputs.paths.run_toml),
        "-project-metadata", str(inputs.paths.project_metadata),
        "-report", str(inputs.paths.report),
        "-parallel",
        *process,
        str(APP_IMAGE),
    )  # fmt: skip


def _layout(inputs: LifecycleInputs) -> tuple[str, ...]:
    return ("-layout", "-layout-dir", str(inputs.paths.layout))


def _ids(inputs: LifecycleInputs) -> tuple[str, ...]:
    return ("-uid", str(inputs.uid), "-gid", str(inputs.gid))


def _skip_layers(inputs: LifecycleInputs) -> tuple[str, ...]:
    return ("-skip-layers",) if inputs.skip_layers else ()
