"""Bad input: one clear message, the right exit code, and nothing lost."""

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation
from tests.support.free_port import free_port
from tests.support.plain_image import make_image


def refused(result: Finished, code: int, *parts: str) -> None:
    """One message, with these words in it, this exit code, and nothing on standard output."""
    assert result.code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "this is a bug" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    for part in parts:
        assert part in result.stderr, result.stderr


# ---- the source -----------------------------------------------------------------------------


def test_no_such_folder(installation: Installation, tmp_path: Path) -> None:
    refused(installation.try_build(tmp_path / "nowhere"), 2, str(tmp_path / "nowhere"))


def test_a_file_is_no_folder(installation: Installation, app: Path) -> None:
    refused(installation.try_build(app / "index.html"), 2, "index.html")


def test_an_empty_folder_shows_each_buildpacks_reason(
    installation: Installation, tmp_path: Path
) -> None:
    empty = tmp_path / "empty-folder"
    empty.mkdir()
    result = installation.try_build(empty)
    refused(result, 20, "detect", "no index.html", "--buildpack")
    for buildpack in ("rust", "node", "python", "go", "procfile", "static"):
        assert f"locald/{buildpack}" in result.stderr, buildpack


# ---- buildpacks -----------------------------------------------------------------------------


def test_a_failing_buildpack_keeps_the_previous_image_and_cache(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    good = BuildpackFolder.make(tmp_path / "good")
    first = installation.build(app, buildpack=good)
    before = installation.image(app)
    bad = BuildpackFolder.make(
        tmp_path / "bad",
        build='echo "the compiler says no"; echo "and why" >&2; mkdir "$CNB_LAYERS_DIR/x"; exit 7',
    )
    result = installation.try_build(app, buildpack=bad)
    refused(result, 51, "e2e/test@1.0.0", "the compiler says no", "and why", "7")
    assert installation.image(app) == before
    assert installation.build(app, buildpack=good).digest == first.digest


def test_a_failing_buildpack_tells_its_output_to_those_who_asked_for_quiet(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", build='echo "the compiler says no"; exit 1')
    refused(installation.try_build(app, "-q", buildpack=bad), 51, "the compiler says no")


def test_a_detection_that_breaks_is_told(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    bad = BuildpackFolder.make(tmp_path / "bad", detect='echo "cannot look" >&2; exit 3')
    refused(installation.try_build(app, buildpack=bad), 21, "e2e/test", "cannot look")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("no-such-buildpack", "the builder has no such buildpack"),
        ("host.invalid/no/such", "the builder has no buildpack host.invalid/no/such, and as an"),
        ("locald/static@9.9.9", "does not have this version"),
        ("./nowhere", "nowhere"),
    ],
)
def test_a_buildpack_that_is_not_there(
    installation: Installation, app: Path, text: str, part: str
) -> None:
    result = installation.try_build(app, "--buildpack", text)
    assert result.code in (2, 4)
    refused(result, result.code, part)


def test_a_folder_that_is_no_buildpack(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    result = installation.try_build(app, "--buildpack", tmp_path / "other")
    refused(result, 2, "buildpack.toml")


# ---- images ---------------------------------------------------------------------------------


def test_an_image_that_is_no_builder_names_the_label(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    make_image(tmp_path / "image")
    result = installation.try_build(app, "--builder", f"oci:{tmp_path / 'image'}")
    refused(result, 4, "io.buildpacks.builder.metadata")


def test_a_builder_of_another_platform(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    make_image(tmp_path / "image", architecture="s390x")
    result = installation.try_build(app, "--builder", f"oci:{tmp_path / 'image'}")
    refused(result, 4, "s390x", "--platform")


def test_an_unreachable_registry(installation: Installation, app: Path) -> None:
    name = f"localhost:{free_port()}/x/y"
    result = installation.try_build(app, "--builder", name)
    refused(result, 4, "cannot be reached", name.partition("/")[0], "--embedded")


def test_a_layout_that_is_not_there(installation: Installation, app: Path, tmp_path: Path) -> None:
    result = installation.try_build(app, "--builder", f"oci:{tmp_path / 'nowhere'}")
    refused(result, 4, "no such file or folder")


def test_an_image_never_pulled(installation: Installation, app: Path) -> None:
    flags = ("--builder", "registry.invalid/some/builder", "--pull-policy", "never")
    refused(installation.try_build(app, *flags), 4, "--pull-policy")


@pytest.mark.parametrize(
    "flags",
    [
        ("--builder", "UPPER/Case"),
        ("--builder", "name@sha256:short"),
        ("--builder", "oci:"),
        ("--builder", ""),
        ("--tag", "in valid"),
        ("--tag", "name:tag:tag"),
        ("--tag", "-x"),
        ("--tag", f"name@sha256:{'a' * 64}"),
        ("--run-image", "://"),
        ("--output", "floppy:disk"),
        ("--output", "docker:name"),
        ("--output", "oci-archive:"),
        ("--output", "not-a-location"),
        ("--platform", "linux"),
        ("--platform", "linux/"),
        ("--env", "=value"),
        ("--env", "1NAME=value"),
        ("--env", ""),
        ("--env-file", "/nowhere/variables"),
        ("--ca-cert", "/nowhere/ca.pem"),
        ("--runtime", "docker"),
        ("--network", "wifi"),
        ("--pull-policy", "sometimes"),
        ("--progress", "fancy"),
        ("--default-process", "two words"),
        ("--service", "web"),
        ("--no-such-flag",),
    ],
    ids=" ".join,
)
def test_a_malformed_flag_is_refused_before_anything_starts(
    installation: Installation, app: Path, flags: tuple[str, ...]
) -> None:
    result = installation.try_build(app, *flags)
    refused(result, 2)
    assert any(word in result.stderr for word in flags if word), result.stderr


def test_an_output_whose_folder_is_missing_is_told_and_the_image_is_kept(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    target = tmp_path / "nowhere/image.tar"
    result = installation.try_build(app, "--output", f"oci-archive:{target}")
    refused(result, 6, str(target.parent), "mkdir")
    assert not target.parent.exists()


# ---- configuration --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[service.web\n", ("locald.toml:1:13", "expected ']'")),
        ("[service.web.build]\nbuildr = 'x'\n", ("service.web.build.buildr", "builder")),
        ("[service.web.build.env]\nPORT = 8080\n", ("service.web.build.env.PORT", "text")),
        ("[service.web.build]\nbuilder = 3\n", ("service.web.build.builder",)),
        (
            "[service.web]\nbuild = true\n[services.web]\nbuild = true\n",
            ("service.web", "services.web"),
        ),
        ("[servise.web]\nbuild = true\n", ("servise", "service")),
        (
            "[service.web.build]\nrun_image = 'UPPER/x'\n",
            ("service.web.build.run_image", "UPPER/x"),
        ),
        ("[service.web.build]\nenv_file = '../outside'\n", ("service.web.build.env_file",)),
        ("[service.web.build]\nbuildpacks = ['../outside']\n", ("buildpacks[0]",)),
        ("\x00", ("locald.toml",)),
    ],
    ids=lambda value: re.sub(r"\W+", "-", value)[:40] if isinstance(value, str) else "",
)
def test_a_configuration_that_is_wrong(
    installation: Installation, make: AppMaker, text: str, parts: tuple[str, ...]
) -> None:
    app = make(files={"index.html": "x", "locald.toml": text})
    refused(installation.try_build(app), 2, "locald.toml", *parts)


def test_a_configuration_that_is_no_text(installation: Installation, app: Path) -> None:
    (app / "locald.toml").write_bytes(b"name = '\xff\xfe'")
    refused(installation.try_build(app), 2, "locald.toml", "UTF-8")


def test_both_spellings_of_a_service_are_read(installation: Installation, make: AppMaker) -> None:
    app = make(
        files={
            "index.html": "x",
            "locald.toml": "[project]\nname = 'shop'\n"
            "[service.one.build.env]\nA = '1'\n[services.two]\nbuild = true\n",
        }
    )
    # Both are found: one tag for two images is refused.
    refused(installation.try_build(app), 2, "one, two")


def test_a_project_cannot_push_in_the_users_name(
    installation: Installation, make: AppMaker
) -> None:
    push = "[service.web.build]\noutput = 'docker://registry.invalid/x'\n"
    app = make(files={"index.html": "x", "locald.toml": push})
    words = installation.build_arguments(app)
    at = words.index("--output")
    result = installation.locald.run(*words[:at], *words[at + 2 :])
    refused(result, 2, "service.web.build.output", "cannot push")
