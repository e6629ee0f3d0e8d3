import tomllib
from pathlib import Path, PurePosixPath

import pytest

from locald.build.artifacts import (
    lifecycle_report,
    read_sbom,
    write_lifecycle_report,
    write_sbom,
)
from oci.errors import ImageError, StorageError
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.images import make_image

LAUNCH = PurePosixPath("launch/acme_node/modules/sbom.cdx.json")
BUILD = PurePosixPath("build/acme_node/sbom.spdx.json")


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    layers = tmp_path / "layers"
    for name, text in ((LAUNCH, "launch"), (BUILD, "build")):
        path = layers / "sbom" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return layers


@pytest.fixture
def image(tmp_path: Path) -> StoredImage:
    layout = make_image(tmp_path / "image", files={"a": "1"})
    found = layout.read()
    return StoredImage(
        reference=None, layout=layout, image=found, source=None, source_digest=found.digest
    )


def test_bills_of_materials_of_build_and_launch(layers: Path, tmp_path: Path) -> None:
    sbom = read_sbom(layers)
    assert sbom == {LAUNCH: b"launch", BUILD: b"build"}
    write_sbom(tmp_path / "new/out", sbom)
    assert (tmp_path / "new/out" / LAUNCH).read_text() == "launch"
    assert (tmp_path / "new/out" / BUILD).read_text() == "build"


def test_those_of_an_earlier_build_go_and_nothing_else(layers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = [out / "build/libs/app.jar", out / "launch/notes.txt", out / "other/sbom.cdx.json"]
    gone = [out / "build/acme_node/sbom.cdx.json", out / "launch/acme_go/sbom.cdx.json"]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_sbom(out, read_sbom(layers))
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_without_any_there_is_nothing(tmp_path: Path) -> None:
    assert read_sbom(tmp_path) == {}
    write_sbom(tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_no_link_of_a_buildpack_is_followed(layers: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "sbom.cdx.json").write_text("secret")
    (layers / "sbom/launch/link").symlink_to(secret)
    (layers / "sbom/launch/sbom.cdx.json").symlink_to(secret / "sbom.cdx.json")
    (layers / "sbom/launch/notes.txt").write_text("no bill")
    assert read_sbom(layers) == {LAUNCH: b"launch", BUILD: b"build"}


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch/sbom.cdx.json").touch()
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/sbom").symlink_to(tmp_path)
    assert read_sbom(tmp_path / "layers") == {}


def test_a_folder_that_cannot_be_made_is_told(layers: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"--sbom-output-dir .*file: cannot be written"):
        write_sbom(tmp_path / "file", read_sbom(layers))
    with pytest.raises(StorageError, match=r"--report-output-dir .*file: cannot be written"):
        write_lifecycle_report(tmp_path / "file", "")


def test_the_lifecycles_report_gets_our_names_and_digest(
    tmp_path: Path, image: StoredImage
) -> None:
    (tmp_path / "report.toml").write_text(
        '[build]\nbom = [{ name = "x" }]\n'
        '[image]\ntags = ["locald.internal/app:latest"]\nimage-id = "sha256:1"\n'
    )
    names = (Reference.parse("localhost/shop:1"), Reference.parse("registry.example/shop:2"))
    text = lifecycle_report(tmp_path, image, names)
    assert tomllib.loads(text) == {
        "build": {"bom": [{"name": "x"}]},
        "image": {
            "tags": ["localhost/shop:1", "registry.example/shop:2"],
            "digest": str(image.digest),
            "manifest-size": len(image.image.manifest_bytes),
        },
    }
    write_lifecycle_report(tmp_path / "new/out", text)
    assert (tmp_path / "new/out/report.toml").read_text() == text


@pytest.mark.parametrize("content", [None, "[[", b"\xff"])
def test_an_unusable_report_is_told(
    tmp_path: Path, image: StoredImage, content: str | bytes | None
) -> None:
    if isinstance(content, str):
        (tmp_path / "report.toml").write_text(content)
    elif content is not None:
        (tmp_path / "report.toml").write_bytes(content)
    with pytest.raises(ImageError, match=r"report\.toml"):
        lifecycle_report(tmp_path, image, ())
