"""What each phase runs, under each Platform API."""

from dataclasses import replace

import pytest

from lifecycle.commands import phase_command
from lifecycle.inputs import LifecycleInputs, MountPaths
from lifecycle.phase import Phase
from lifecycle.platform_api import OURS, PlatformApi
from oci.reference import Reference

OLD, NEW = PlatformApi(0, 12), PlatformApi(0, 15)
INPUTS = LifecycleInputs(
    api=OLD,
    paths=MountPaths(),
    uid=1001,
    gid=1002,
    run_image=Reference.parse("registry.example/run:1"),
    has_previous=False,
    own_order=False,
    skip_layers=False,
    process_type=None,
    exec_env="production",
)
EVERYTHING = replace(
    INPUTS,
    api=NEW,
    has_previous=True,
    own_order=True,
    own_system=True,
    skip_layers=True,
    process_type="web",
    exec_env="test",
    color=True,
)
LAYOUT_AND_IDS = ("-layout", "-layout-dir", "/layout-repo", "-uid", "1001", "-gid", "1002")


def argv(phase: Phase, inputs: LifecycleInputs) -> tuple[str, ...]:
    return phase_command(phase, inputs).argv


def test_analyze() -> None:
    assert argv(Phase.ANALYZE, INPUTS) == (
        "/cnb/lifecycle/analyzer", "-log-level", "info", "-no-color", "-layers", "/layers",
        *LAYOUT_AND_IDS,
        "-run", "/layers/run.toml",
        "-run-image", "registry.example/run:1",
        "locald.internal/app:latest",
    )  # fmt: skip
    assert argv(Phase.ANALYZE, EVERYTHING) == (
        "/cnb/lifecycle/analyzer", "-log-level", "info", "-layers", "/layers",
        *LAYOUT_AND_IDS,
        "-run", "/layers/run.toml",
        "-run-image", "registry.example/run:1",
        "-previous-image", "locald.internal/previous:latest",
        "-skip-layers",
        "locald.internal/app:latest",
    )  # fmt: skip


def test_detect() -> None:
    assert argv(Phase.DETECT, INPUTS) == (
        "/cnb/lifecycle/detector", "-log-level", "debug", "-no-color", "-layers", "/layers",
        "-app", "/workspace",
        "-platform", "/platform",
        "-run", "/layers/run.toml",
    )  # fmt: skip
    assert argv(Phase.DETECT, EVERYTHING) == (
        "/cnb/lifecycle/detector", "-log-level", "debug", "-layers", "/layers",
        "-app", "/workspace",
        "-platform", "/platform",
        "-run", "/layers/run.toml",
        "-order", "/layers/order.toml",
        "-system", "/layers/system.toml",
    )  # fmt: skip
    without_system = argv(Phase.DETECT, replace(INPUTS, own_system=True))
    assert without_system == argv(Phase.DETECT, INPUTS), "0.12 has no system buildpacks"


def test_restore() -> None:
    assert argv(Phase.RESTORE, INPUTS) == (
        "/cnb/lifecycle/restorer", "-log-level", "info", "-no-color", "-layers", "/layers",
        *LAYOUT_AND_IDS,
        "-cache-dir", "/cache",
    )  # fmt: skip
    assert argv(Phase.RESTORE, EVERYTHING) == (
        "/cnb/lifecycle/restorer", "-log-level", "info", "-layers", "/layers",
        *LAYOUT_AND_IDS,
        "-run", "/layers/run.toml",
        "-cache-dir", "/cache",
        "-skip-layers",
    )  # fmt: skip


def test_build_says_which_buildpack_runs() -> None:
    expected = (
        "/cnb/lifecycle/builder", "-log-level", "debug", "-no-color", "-layers", "/layers",
        "-app", "/workspace",
        "-platform", "/platform",
    )  # fmt: skip
    assert argv(Phase.BUILD, INPUTS) == expected
    assert argv(Phase.BUILD, EVERYTHING) == tuple(w for w in expected if w != "-no-color")


def test_export() -> None:
    assert argv(Phase.EXPORT, INPUTS) == (
        "/cnb/lifecycle/exporter", "-log-level", "info", "-no-color", "-layers", "/layers",
        *LAYOUT_AND_IDS,
        "-app", "/workspace",
        "-cache-dir", "/cache",
        "-run", "/layers/run.toml",
        "-project-metadata", "/layers/project-metadata.toml",
        "-report", "/layers/report.toml",
        "-parallel",
        "locald.internal/app:latest",
    )  # fmt: skip
    assert argv(Phase.EXPORT, EVERYTHING)[-3:] == (
        "-process-type", "web",
        "locald.internal/app:latest",
    )  # fmt: skip


@pytest.mark.parametrize(("minor", "given"), [(12, False), (13, False), (14, True), (15, True)])
def test_the_restorer_is_told_of_run_images_since_0_14(minor: int, given: bool) -> None:
    words = argv(Phase.RESTORE, replace(INPUTS, api=PlatformApi(0, minor)))
    assert ("-run" in words) is given


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("api", OURS)
def test_every_phase_hears_the_version_and_the_execution_environment_since_0_15(
    phase: Phase, api: PlatformApi
) -> None:
    env = {"CNB_PLATFORM_API": str(api), "CNB_EXPERIMENTAL_MODE": "quiet"}
    if api == NEW:
        env["CNB_EXEC_ENV"] = "production"
    assert phase_command(phase, replace(INPUTS, api=api)).env == env


@pytest.mark.parametrize("phase", Phase)
def test_no_argument_comes_from_the_images_user_names(phase: Phase) -> None:
    """What the lifecycle calls the image never leaves the build, whatever it is named."""
    words = [w for w in argv(phase, EVERYTHING) if "locald.internal" in w]
    assert all(word.startswith("locald.internal/") for word in words)


def test_phases_run_in_the_order_of_the_specification() -> None:
    assert [str(phase) for phase in Phase] == ["analyze", "detect", "restore", "build", "export"]
    assert [p for p in Phase if p.runs_buildpacks] == [Phase.DETECT, Phase.BUILD]


@pytest.mark.parametrize("phase", Phase)
def test_only_the_exporter_hears_of_the_image_s_time(phase: Phase) -> None:
    env = phase_command(phase, replace(INPUTS, created_seconds=86400)).env
    assert env.get("SOURCE_DATE_EPOCH") == ("86400" if phase is Phase.EXPORT else None)
    assert "SOURCE_DATE_EPOCH" not in phase_command(phase, INPUTS).env
