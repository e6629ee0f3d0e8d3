"""Where images go, and what the command says and writes."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.e2e import BUILDER, Installation
from tests.support.registry import Registry, serve_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("registry") / "of-outputs") as server:
        yield server


def inspect(*words: str) -> Any:
    finished = subprocess.run(["skopeo", "inspect", *words], capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    return json.loads(finished.stdout)


# ---- outputs --------------------------------------------------------------------------------


def test_an_image_goes_to_several_places_at_once(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    storage = f"containers-storage:{installation.name(app)}:several"
    layout = f"oci:{tmp_path / 'layout'}:v1"
    archive = f"oci-archive:{tmp_path / 'image.oci.tar'}"
    docker = f"docker-archive:{tmp_path / 'image.docker.tar'}"
    flags = [word for target in (storage, layout, archive, docker) for word in ("-o", target)]
    result = installation.build(app, *flags)
    assert result.stdout == f"{installation.name(app)}@{result.digest}\n"
    assert inspect(layout)["Digest"] == result.digest
    assert inspect(f"{archive}:latest")["Digest"] == result.digest
    labels = inspect(layout)["Labels"]
    # Docker's form has another manifest; what it says of the image is the same.
    assert inspect(docker)["Labels"] == labels
    assert inspect(storage)["Labels"] == labels
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_the_default_is_podmans_storage(installation: Installation, app: Path) -> None:
    words = installation.build_arguments(app)
    at = words.index("--output")
    result = installation.locald.run(*words[:at], *words[at + 2 :])
    assert result.code == 0, result.stderr
    argv = ["podman", "image", "inspect", "--format", "{{.Digest}}", installation.name(app)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert told.stdout.strip() == result.digest, told.stderr


def test_a_registry_receives_the_image_under_its_digest(
    installation: Installation, app: Path, registry: Registry
) -> None:
    target = f"docker://{registry.host}/team/app:1.0"
    result = installation.build(app, "--output", target, *registry.flags)
    assert inspect("--tls-verify=false", target)["Digest"] == result.digest


def test_a_registry_that_wants_tls_is_not_spoken_to_without(
    installation: Installation, app: Path, registry: Registry
) -> None:
    result = installation.try_build(app, "--output", f"docker://{registry.host}/team/app:2.0")
    assert result.code == 4
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert registry.host in result.stderr


def test_a_run_image_of_a_registry_is_looked_up_and_completed_for_an_archive(
    installation: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    layout = installation.layout_of(BUILDER.replace("/builder", "/run"))
    name = f"{registry.host}/base/run:1"
    argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout.path}:latest"]
    subprocess.run([*argv, f"docker://{name}"], check=True, capture_output=True)
    archive = f"oci-archive:{tmp_path / 'image.tar'}"
    result = installation.build(app, "--run-image", name, "--output", archive, *registry.flags)
    assert inspect(f"{archive}:latest")["Digest"] == result.digest
    image = installation.image(app)
    assert image is not None
    labels = json.loads(image.config_bytes)["config"]["Labels"]
    run_image = json.loads(labels["io.buildpacks.lifecycle.metadata"])["runImage"]
    assert run_image["reference"].startswith(f"{registry.host}/base/run@sha256:")


def test_several_tags_are_printed_and_kept(installation: Installation, app: Path) -> None:
    other = f"{installation.name(app)}:v2"
    result = installation.build(app, "--tag", other)
    names = [line.partition("@")[0] for line in result.stdout.splitlines()]
    assert names == [installation.name(app), installation.name(app)]
    assert installation.layout_of(other).read().digest == installation.layout(app).read().digest


def test_an_archive_is_replaced_whole_or_not_at_all(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "image.tar").write_text("what was there before")
    installation.build(app, "--output", f"oci-archive:{tmp_path / 'image.tar'}")
    assert inspect(f"oci-archive:{tmp_path / 'image.tar'}:latest")


# ---- what is said ---------------------------------------------------------------------------


def test_quiet_prints_the_result_and_nothing_else(installation: Installation, app: Path) -> None:
    result = installation.build(app, "--quiet")
    assert result.stdout == f"{installation.name(app)}@{result.digest}\n"
    assert result.stderr == ""


def test_plain_progress_is_on_standard_error(installation: Installation, app: Path) -> None:
    result = installation.build(app, "--progress", "plain")
    assert result.stdout == f"{installation.name(app)}@{result.digest}\n"
    for phase in ("analyze", "detect", "restore", "build", "export"):
        assert [line for line in result.stderr.splitlines() if line.startswith(phase)], phase
    assert "\x1b" not in result.stderr


def test_json_progress_is_an_object_a_line(installation: Installation, app: Path) -> None:
    result = installation.build(app, "--progress", "json")
    phases = ["analyze", "detect", "restore", "build", "export"]
    for kind in ("phase-started", "phase-finished"):
        assert [e["phase"] for e in result.events if e["event"] == kind] == phases
    assert all(e["seconds"] > 0 for e in result.events if e["event"] == "phase-finished")
    assert {"line", "step", "note"} & {e["event"] for e in result.events}


def test_a_failure_is_one_json_event(installation: Installation, tmp_path: Path) -> None:
    result = installation.try_build(tmp_path / "nowhere", "--progress", "json")
    (event,) = (event for event in result.events if event["event"] == "error")
    assert result.code == event["exit_code"] == 2
    assert "nowhere" in event["message"]


def test_verbose_says_what_was_chosen_and_why(installation: Installation, app: Path) -> None:
    stderr = installation.build(app, "--verbose").stderr
    for part in ("runtime ", "Platform API 0.", "run image ", "builder: from --builder"):
        assert part in stderr, part
    assert re.search(r"^runtime (runc|podman|bwrap): .+", stderr, re.MULTILINE)


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_a_report_says_what_was_built(
    installation: Installation, app: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"report.{suffix}"
    result = installation.build(app, "--report", path)
    text = path.read_text()
    report = json.loads(text) if suffix == "json" else yaml.safe_load(text)
    assert report["image"]["digest"] == result.digest
    assert [phase["name"] for phase in report["phases"]] == [
        "analyze",
        "detect",
        "restore",
        "build",
        "export",
    ]
    assert report["buildpacks"] == ["locald/static@0.1.0"]
    assert report["runtime"] in ("runc", "podman", "bwrap")
    assert all(layer["size_bytes"] > 0 for layer in report["image"]["layers"])


def test_a_report_to_standard_output_stands_there_as_one_document(
    installation: Installation, app: Path
) -> None:
    result = installation.build(app, "--report", "-")
    report = json.loads(result.stdout)
    image = installation.image(app)
    assert image is not None
    assert report["image"]["digest"] == str(image.digest)


def test_a_report_that_cannot_be_written_is_told(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    result = installation.try_build(app, "--report", tmp_path / "nowhere/report.json")
    assert result.code == 2
    assert "--report" in result.stderr


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_output_is_no_traceback(
    installation: Installation, app: Path, closed: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        [*installation.locald.argv, *installation.build_arguments(app)],
        env=installation.locald.environment,
        text=True,
        check=False,
        stdout=writer if closed == "stdout" else subprocess.PIPE,
        stderr=writer if closed == "stderr" else subprocess.PIPE,
    )
    os.close(writer)
    assert finished.returncode == 128 + 13
    assert "Traceback" not in f"{finished.stdout}{finished.stderr}"
    # The next one finds everything in order.
    installation.build(app)
