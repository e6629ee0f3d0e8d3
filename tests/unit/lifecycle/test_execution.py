"""Phases in containers: what each is given, and what its failure says."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.build_secret import BuildSecret
from lifecycle.errors import PhaseError
from lifecycle.execution import BuildRoot, Execution, PhaseLine
from lifecycle.inputs import LifecycleInputs, MountPaths
from lifecycle.phase import Phase
from lifecycle.platform_api import PlatformApi
from lifecycle.runtime.spec import ContainerSpec, Network
from lifecycle.workspace import Workspace
from oci.errors import ImageError
from oci.process import Command, LineSink, Stream
from oci.reference import Reference


class Script:
    """A sandbox in which every container prints the same lines and ends with the same code."""

    def __init__(self, lines: Sequence[str] = (), exit_code: int = 0) -> None:
        self.lines = lines
        self.exit_code = exit_code
        self.ran: list[ContainerSpec] = []

    def run(self, spec: ContainerSpec, *, on_line: LineSink) -> int:
        self.ran.append(spec)
        for line in self.lines:
            on_line(Stream.STDOUT, line)
        return self.exit_code

    def prepare(self, spec: ContainerSpec) -> None:
        raise NotImplementedError

    def remove_tree(self, path: Path) -> None:
        raise NotImplementedError

    def inside(self, argv: tuple[str, ...]) -> Command:
        raise NotImplementedError

    @property
    def folders(self) -> tuple[Path, ...]:
        return ()


@pytest.fixture
def execution(tmp_path: Path) -> Execution:
    paths = MountPaths()
    for name in ("analyzed.toml", "group.toml", "plan.toml", "config/metadata.toml"):
        path = tmp_path / "build/layers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Execution(
        name="locald-b1",
        rootfs=tmp_path / "rootfs",
        inputs=LifecycleInputs(
            api=PlatformApi(0, 12),
            paths=paths,
            uid=1001,
            gid=1002,
            run_image=Reference.parse("registry.example/run:1"),
            has_previous=False,
            own_order=False,
            skip_layers=False,
            process_type=None,
            exec_env="production",
        ),
        workspace=Workspace(
            root=tmp_path / "build",
            paths=paths,
            app=tmp_path / "app",
            hidden=(),
            cache=tmp_path / "cache",
            build_cache=tmp_path / "build-cache",
            modules=(),
        ),
        image_env={"PATH": "/bin", "HOME": "/home/cnb", "CNB_PLATFORM_API": "0.3"},
        proxy_env={"HTTPS_PROXY": "http://proxy.example"},
        network=Network.PRIVATE,
    )


@pytest.mark.parametrize("phase", Phase)
def test_a_container_is_the_builder_s_root_with_the_phase_s_own_view(
    execution: Execution, phase: Phase
) -> None:
    spec = execution.spec(phase)
    assert spec.name == f"locald-b1-{phase}"
    assert spec.rootfs == execution.rootfs
    assert (spec.user, spec.group) == (1001, 1002)
    assert spec.mounts == execution.workspace.mounts(phase)
    assert spec.overlays == execution.workspace.overlays(phase)
    assert spec.argv[0] == f"/cnb/lifecycle/{phase.binary}"
    assert spec.cwd == PurePosixPath("/")


@pytest.mark.parametrize("phase", Phase)
def test_only_phases_that_run_buildpacks_have_a_network_and_proxies(
    execution: Execution, phase: Phase
) -> None:
    spec = execution.spec(phase)
    buildpacks = phase in (Phase.DETECT, Phase.BUILD)
    assert spec.network is (Network.PRIVATE if buildpacks else Network.NONE)
    assert ("HTTPS_PROXY" in spec.env) is buildpacks
    assert spec.read_only_root is not buildpacks


def test_the_environment_is_the_image_s_and_ours_wins(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    assert execution.spec(Phase.ANALYZE).env == {
        "PATH": "/bin",
        "HOME": "/home/cnb",
        "CNB_PLATFORM_API": "0.12",
        "CNB_EXPERIMENTAL_MODE": "quiet",
    }


def run(execution: Execution, phase: Phase, sandbox: Script) -> list[PhaseLine]:
    lines: list[PhaseLine] = []
    outcome = execution.run(phase, sandbox, lines.append)
    assert outcome.phase is phase
    assert outcome.seconds >= 0
    return lines


def test_lines_are_handed_on_as_they_are(execution: Execution) -> None:
    sandbox = Script(["\x1b[31mred\x1b[0m", "two"])
    lines = run(execution, Phase.DETECT, sandbox)
    assert [line.text for line in lines] == ["\x1b[31mred\x1b[0m", "two"]
    assert {(line.phase, line.stream) for line in lines} == {(Phase.DETECT, Stream.STDOUT)}
    assert [spec.name for spec in sandbox.ran] == ["locald-b1-detect"]


def test_the_lifecycle_s_own_words_in_the_build_are_marked(execution: Execution) -> None:
    sandbox = Script(["Starting build", "Running build for buildpack a@1", "\x1b[1mhello\x1b[0m"])
    assert [line.internal for line in run(execution, Phase.BUILD, sandbox)] == [True, True, False]
    assert all(line.internal for line in run(execution, Phase.DETECT, sandbox))
    assert not any(line.internal for line in run(execution, Phase.ANALYZE, sandbox))


def failure(execution: Execution, phase: Phase, exit_code: int, *lines: str) -> PhaseError:
    with pytest.raises(PhaseError) as caught:
        execution.run(phase, Script(lines, exit_code), lambda _: None)
    return caught.value


def test_a_failing_buildpack_is_named(execution: Execution) -> None:
    error = failure(
        execution,
        Phase.BUILD,
        51,
        "Running build for buildpack acme/one@1.0",
        "Finished running build for buildpack acme/one@1.0",
        "Running build for buildpack acme/two@2.0",
        "no such module",
        "\x1b[31;1mERROR: \x1b[0mfailed to build: exit status 1",
    )
    assert error.message == "build: the buildpack acme/two@2.0 failed (exit code 51)"
    assert error.details == ("ERROR: failed to build: exit status 1",)
    assert error.hint == "its output stands above"
    assert error.exit_code == 51


def test_a_build_that_fails_before_any_buildpack_is_the_phase_s(execution: Execution) -> None:
    error = failure(execution, Phase.BUILD, 52, "ERROR: failed to read buildpack order")
    assert error.message == "build: the build failed (exit code 52)"
    assert error.details == ("ERROR: failed to read buildpack order",)


@pytest.mark.parametrize("code", [20, 21])
def test_a_failed_detection_tells_each_verdict(execution: Execution, code: int) -> None:
    error = failure(
        execution,
        Phase.DETECT,
        code,
        "======== Output: acme/one@1.0 ========",
        "looking",
        "\x1b[31mno index.html\x1b[0m",
        "======== Output: acme/two@1.0 ========",
        "Traceback",
        "no such module",
        "======== Results ========",
        "fail: acme/one@1.0",
        "err:  acme/two@1.0 (3)",
        "pass: acme/three@1.0",
        "ERROR: No buildpack groups passed detection.",
    )
    assert error.details == (
        "acme/one@1.0 is not for this application: no index.html",
        "acme/two@1.0 could not tell (exit code 3)",
        "  Traceback",
        "  no such module",
        "acme/three@1.0 fits",
    )
    assert "--buildpack" in error.hint
    assert error.exit_code == code


def test_a_detection_without_verdicts_shows_its_output(execution: Execution) -> None:
    error = failure(execution, Phase.DETECT, 20, "other words", "ERROR: nothing fits")
    assert error.details == ("other words", "ERROR: nothing fits")


def test_an_order_that_cannot_be_read_is_told_in_the_lifecycle_s_words(
    execution: Execution,
) -> None:
    error = failure(execution, Phase.DETECT, 22, "Starting", "ERROR: open buildpack.toml")
    assert error.details == ("ERROR: open buildpack.toml",)


def test_what_an_extension_said_is_shown(execution: Execution) -> None:
    error = failure(execution, Phase.DETECT, 91, "cannot generate", "ERROR: failed to build")
    assert error.details == ("cannot generate", "ERROR: failed to build")


def test_only_the_last_errors_are_repeated(execution: Execution) -> None:
    lines = [f"ERROR: {n}" for n in range(10)] + ["an ERROR: in the middle"]
    error = failure(execution, Phase.EXPORT, 62, *lines)
    assert error.details == ("ERROR: 7", "ERROR: 8", "ERROR: 9")


@pytest.mark.parametrize("phase", Phase)
def test_an_extended_build_image_is_the_build_phase_s_alone(
    execution: Execution, phase: Phase
) -> None:
    root = BuildRoot(rootfs=Path("/extended"), env={"PATH": "/opt/bin"})
    spec = replace(execution, build_root=root).spec(phase)
    mine = phase is Phase.BUILD
    assert spec.rootfs == (root.rootfs if mine else execution.rootfs)
    assert spec.env["PATH"] == ("/opt/bin" if mine else "/bin")


def test_secrets_are_files_of_the_build_phase_and_never_printed(execution: Execution) -> None:
    secret = BuildSecret(id="npm", value=b"tok-9f8e7d6c5b4a\n")
    execution = replace(execution, secrets=(secret,))
    for phase in Phase:
        memory = execution.spec(phase).memory
        expected = [("/run/secrets", {"npm": b"tok-9f8e7d6c5b4a\n"})]
        assert [(str(m.target), m.files) for m in memory] == (
            expected if phase is Phase.BUILD else []
        )
    lines = run(execution, Phase.BUILD, Script(["with tok-9f8e7d6c5b4a inside"]))
    assert [line.text for line in lines] == ["with *** inside"]
    error = failure(execution, Phase.EXPORT, 62, "ERROR: bad tok-9f8e7d6c5b4a")
    assert error.details == ("ERROR: bad ***",)
    assert "tok-9f8e7d6c5b4a" not in repr(execution.spec(Phase.BUILD))


def test_what_a_buildpack_put_in_the_lifecycles_way_ends_the_build(execution: Execution) -> None:
    path = execution.workspace.layers / "group.toml"
    path.unlink()
    path.symlink_to("/cache/committed")
    execution.run(Phase.RESTORE, Script(), lambda _: None)
    for phase in (Phase.DETECT, Phase.BUILD):
        with pytest.raises(ImageError, match=rf"^{phase}: /layers/group\.toml, .* is a link$"):
            execution.run(phase, Script(), lambda _: None)
