"""analyzed.toml, written again after extensions changed the run image."""

import tomllib
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.analyzed import write_analyzed_run_image
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import ContainerConfig, ImageConfig

LAYOUT = PurePosixPath("/layout-repo/x/latest")
DIGEST = Digest.of(b"")
CONFIG = ImageConfig(
    os="linux",
    architecture="arm",
    variant="v7",
    config=ContainerConfig(
        labels={
            "io.buildpacks.base.id": "base",
            "io.buildpacks.base.distro.name": "debian",
            "io.buildpacks.base.distro.version": "12",
        }
    ),
)
BEFORE = """\
[image]
reference = "previous"
[metadata]
[[metadata.app]]
sha = "sha256:1"
[run-image]
reference = "other"
image = "other"
extend = true
"""


def rewrite(layers: Path, config: ImageConfig = CONFIG) -> None:
    write_analyzed_run_image(layers, layout=LAYOUT, digest=DIGEST, config=config)


def test_the_run_image_is_a_plain_one_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "analyzed.toml"
    path.write_text(BEFORE)
    rewrite(tmp_path)
    assert tomllib.loads(path.read_text()) == {
        "image": {"reference": "previous"},
        "metadata": {"app": [{"sha": "sha256:1"}]},
        "run-image": {
            "reference": f"{LAYOUT}@{DIGEST}",
            "image": str(LAYOUT),
            "target": {
                "id": "base",
                "os": "linux",
                "arch": "arm",
                "arch-variant": "v7",
                "distro": {"name": "debian", "version": "12"},
            },
        },
    }


def test_an_image_that_says_little_of_itself(tmp_path: Path) -> None:
    (tmp_path / "analyzed.toml").write_text("")
    rewrite(tmp_path, ImageConfig(os="linux", architecture="amd64"))
    written = tomllib.loads((tmp_path / "analyzed.toml").read_text())
    assert written["run-image"]["target"] == {"os": "linux", "arch": "amd64"}


def test_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(BEFORE)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/analyzed.toml").symlink_to(tmp_path / "outside")
    with pytest.raises(ImageError, match=r"an analyzed\.toml that is no plain small file"):
        rewrite(tmp_path / "layers")
    assert (tmp_path / "outside").read_text() == BEFORE


@pytest.mark.parametrize(("text", "words"), [(None, "no usable"), ("[", "cannot be read")])
def test_what_is_missing_or_broken(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "analyzed.toml").write_text(text)
    with pytest.raises(ImageError, match=words):
        rewrite(tmp_path)
