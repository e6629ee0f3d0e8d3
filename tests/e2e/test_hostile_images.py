"""Images of strangers on the command line: one message, exit code 4, nothing touched; and images
in forms that the tools below us do not know."""

import os
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.image import OCI_LAYER_ZSTD
from oci.layer_content import open_layer
from oci.layout import Layout
from oci.platform import Platform
from oci.process import Command, CommandRunner
from oci.reference import LOCALHOST, Reference
from tests.corpus.made_image import MadeImage, layer_path, with_layer
from tests.support.e2e import Installation
from tests.support.images import tar_layer, tar_member
from tests.support.tree_state import tree_state
from tests.support.zstd import zstd_compress

pytestmark = pytest.mark.corpus

RUN_IMAGE = Reference(LOCALHOST, "locald/run", "embedded")
HOSTILE = {
    "a name with a parent": (
        MadeImage(content=tar_layer({}, members=[tar_member("../../planted", size=1)])),
        "an entry with `..` in its name",
    ),
    "a size that is a lie": (MadeImage(edit_manifest=with_layer(size=7)), "the manifest says 7"),
    "a document that is two": (
        MadeImage(raw_manifest=lambda data: b'{"LAYERS":[],' + data[1:]),
        "a key 'LAYERS', which is not 'layers'",
    ),
    "no text": (MadeImage(raw_config=lambda data: b'{"x":"\xff",' + data[1:]), "cannot be read"),
    "depth": (MadeImage(raw_index=lambda _: b"[" * 100_000), "cannot be read"),
}


@pytest.mark.parametrize(("made", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_builder_is_refused_in_one_line(
    installation: Installation, app: Path, tmp_path: Path, made: MadeImage, said: str
) -> None:
    builder = made.write(tmp_path / "hostile")
    before = tree_state(app)
    result = installation.try_build(app, "--builder", f"oci:{builder}")
    assert result.code == 4, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert f"oci:{builder}" in errors[0]
    assert said in errors[0]
    assert "Traceback" not in result.stderr
    assert tree_state(app) == before


@pytest.mark.parametrize("command", [("inspect",), ("builder", "inspect")])
def test_a_fifo_in_a_layout_holds_nobody_up(
    installation: Installation, tmp_path: Path, command: tuple[str, ...]
) -> None:
    layout = MadeImage().write(tmp_path / "image")
    manifest = Layout(layout).read().digest
    path = Layout(layout).blob_path(manifest)
    path.unlink()
    os.mkfifo(path)
    result = installation.locald.run(*command, f"oci:{layout}")
    assert result.code == 4, result.output
    assert "no plain file" in result.stderr
    assert result.seconds < 20


def test_a_run_image_in_zstd_goes_everywhere(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    run_image = _in_zstd(installation, tmp_path / "run")
    archive, layout = tmp_path / "app.tar", tmp_path / "out"
    installation.build(
        app,
        "--run-image", f"oci:{run_image.path}",
        "--output", f"docker-archive:{archive}",
        "--output", f"oci:{layout}",
    )  # fmt: skip
    image = Layout(layout).read()
    assert image.manifest.layers[0].media_type == OCI_LAYER_ZSTD
    assert image.layer_digests[0] == run_image.read().layer_digests[0]
    said = CommandRunner().run(
        Command(argv=("skopeo", "inspect", "--config", f"docker-archive:{archive}"))
    )
    assert str(image.config.rootfs.diff_ids[0]).encode() in said.stdout


def _in_zstd(installation: Installation, folder: Path) -> Layout:
    """The embedded run image, its layers compressed anew."""
    stored = installation.store.find(RUN_IMAGE, Platform.of_host())
    assert stored is not None
    layout = Layout.create(folder)
    layers = []
    for layer in stored.image.manifest.layers:
        with open_layer(stored.layout.blob_path(layer.parsed_digest()), layer.media_type) as plain:
            blob = zstd_compress(plain.read())
        layers.append(
            {"mediaType": OCI_LAYER_ZSTD, "digest": str(Digest.of(blob)), "size": len(blob)}
        )
        layout.write_blob(blob)
    layout.write(stored.image.manifest_bytes, stored.image.config_bytes)
    layout.rewrite(lambda _: None, lambda manifest: manifest.update(layers=layers))
    return layout


def test_the_corpus_is_made_of_images_that_differ_from_a_good_one(tmp_path: Path) -> None:
    """Else all of it would be refused for one reason that nobody looks at."""
    layout = MadeImage().write(tmp_path / "good")
    assert Layout(layout).read().config.platform == Platform.of_host()
    assert layer_path(layout).is_file()
