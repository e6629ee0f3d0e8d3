"""What is built is an ordinary image: standard tools take it, and nothing in it is out of form."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from oci.digest import Digest
from oci.image import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.layout import Layout
from oci.reference import Reference
from tests.support.e2e import Installation


@pytest.fixture
def built(installation: Installation, app: Path, tmp_path: Path) -> Path:
    """A layout with one image."""
    layout = tmp_path / "layout"
    installation.build(app, "--output", f"oci:{layout}:latest")
    return layout


def run(*argv: str | Path) -> str:
    finished = subprocess.run([str(word) for word in argv], capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout.decode()


def test_skopeo_inspects_it(built: Path) -> None:
    told = json.loads(run("skopeo", "inspect", f"oci:{built}:latest"))
    assert told["Digest"] == str(Layout(built).read().digest)
    assert told["Labels"]["io.buildpacks.build.metadata"]


def test_umoci_unpacks_it_without_root(built: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    run("umoci", "unpack", "--rootless", "--image", f"{built}:latest", bundle)
    try:
        assert (bundle / "rootfs/cnb/lifecycle/launcher").is_file()
        assert "Hello from a test" in (bundle / "rootfs/workspace/index.html").read_text()
    finally:
        run("chmod", "-R", "u+w", bundle)
        shutil.rmtree(bundle)


def test_podman_runs_it(installation: Installation, app: Path) -> None:
    name = installation.name(app)
    installation.build(app, "--output", f"containers-storage:{name}")
    command = ["podman", "--runtime", "runc", "run", "--rm", "--entrypoint", "launcher", name]
    assert "Hello from a test" in run(*command, "cat", "/workspace/index.html")
    assert run(*command, "sh", "-c", "id -u").strip() not in ("", "0")


def test_only_oci_media_types_and_right_digests(built: Path) -> None:
    layout = Layout(built)
    image = layout.read()  # refuses wrong digests of manifest and configuration
    manifest = json.loads(image.manifest_bytes)
    assert manifest["mediaType"] == image.media_type == OCI_MANIFEST
    assert manifest["config"]["mediaType"] == OCI_CONFIG
    assert {layer["mediaType"] for layer in manifest["layers"]} == {OCI_LAYER_GZIP}
    for layer in manifest["layers"]:
        blob = layout.blob_path(Digest.parse(layer["digest"])).read_bytes()
        assert str(Digest.of(blob)) == layer["digest"]
        assert len(blob) == layer["size"]


def test_the_run_image_is_named_by_name_and_digest(built: Path) -> None:
    image = Layout(built).read()
    labels = json.loads(image.config_bytes)["config"]["Labels"]
    metadata = json.loads(labels["io.buildpacks.lifecycle.metadata"])
    run_image = metadata["runImage"]
    reference = Reference.parse(run_image["reference"])
    assert reference.digest is not None
    assert reference.name == Reference.parse(run_image["image"]).name
    # The base is the lowest part of the image, so that it can be exchanged.
    assert run_image["topLayer"] in json.loads(image.config_bytes)["rootfs"]["diff_ids"]


def test_every_runtime_makes_the_same_image(installation: Installation, app: Path) -> None:
    digests = {
        runtime: installation.build(app, "--runtime", runtime, "--clear-cache").digest
        for runtime in RuntimeName
    }
    assert len(set(digests.values())) == 1, digests


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_a_rebuild_of_unchanged_source_keeps_the_digest(
    installation: Installation, app: Path, runtime: RuntimeName
) -> None:
    first = installation.build(app, "--runtime", runtime)
    for path in (app, *app.iterdir()):
        path.touch()  # when a file was written is not what it says
    assert installation.build(app, "--runtime", runtime).digest == first.digest


def test_where_the_source_lies_and_who_may_read_it_do_not_matter(
    installation: Installation, app: Path
) -> None:
    first = installation.build(app)
    moved = app.rename(app.with_name(f"{app.name}-moved"))
    assert installation.build(moved, "--clear-cache").digest == first.digest
