"""Buildpacks in folders, archives and buildpackage images."""

import json
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.buildpack import Buildpack, ModuleKind, leads_out
from lifecycle.buildpack_source import buildpacks_at_path, buildpacks_of_image
from lifecycle.module import ModuleRef, OrderEntry
from lifecycle.unpacked import UnpackedFolders
from oci.errors import ImageError
from oci.layer_writer import LayerWriter, WrittenLayer
from oci.layout import Layout, LayoutImage

DESCRIPTOR = """
api = "0.10"

[buildpack]
id = "acme/java"
version = "1.2.3"
name = "Java"
homepage = "https://acme.example"
keywords = ["jvm"]
sbom-formats = ["application/vnd.cyclonedx+json"]
clear-env = true

[[buildpack.licenses]]
type = "MIT"

[[targets]]
os = "linux"
arch = "amd64"
distros = [{ name = "debian", version = "12" }]

[[stacks]]
id = "*"

[metadata.anything]
goes = true
"""
COMPOSITE = """
api = "0.10"
[buildpack]
id = "acme/all"
version = "2.0.0"
[[order]]
group = [
    { id = "acme/java", version = "1.2.3" },
    { id = "acme/env", version = "1", optional = true },
]
"""


def make_buildpack(folder: Path, descriptor: str = DESCRIPTOR, *, executables: bool = True) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "buildpack.toml").write_text(descriptor)
    if executables:
        for name in ("detect", "build"):
            (folder / "bin" / name).write_text("#!/bin/sh\n")
            (folder / "bin" / name).chmod(0o755)
    return folder


def make_archive(folder: Path, archive: Path, *, prefix: str) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=prefix)
    return archive


@pytest.fixture
def unpacked(tmp_path: Path) -> UnpackedFolders:
    return UnpackedFolders(tmp_path / "unpacked")


def test_a_folder_is_read(tmp_path: Path) -> None:
    buildpack = Buildpack.read(make_buildpack(tmp_path / "java"))
    assert str(buildpack) == "acme/java@1.2.3"
    assert buildpack.kind is ModuleKind.BUILDPACK
    assert buildpack.container_folder == PurePosixPath("/cnb/buildpacks/acme_java/1.2.3")
    assert (buildpack.api, buildpack.name) == ("0.10", "Java")
    assert buildpack.targets[0].distros[0].name == "debian"
    assert buildpack.stacks[0].id == "*"
    assert buildpack.clear_env
    assert buildpack.licenses[0].type == "MIT"
    assert not buildpack.composite


def test_a_composite_needs_no_executables(tmp_path: Path) -> None:
    composite = Buildpack.read(make_buildpack(tmp_path / "all", COMPOSITE, executables=False))
    assert composite.composite
    assert composite.order == (
        OrderEntry((ModuleRef("acme/java", "1.2.3"), ModuleRef("acme/env", "1", optional=True))),
    )


def test_an_extension_is_told_by_its_descriptor(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_text(
        'api = "0.10"\n[extension]\nid = "acme/curl"\nversion = "0.0.1"\n'
    )
    extension = Buildpack.read(tmp_path)
    assert extension.kind is ModuleKind.EXTENSION
    assert extension.container_folder == PurePosixPath("/cnb/extensions/acme_curl/0.0.1")


def test_a_folder_without_a_descriptor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is not a buildpack: it has no buildpack\.toml"):
        Buildpack.read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('api = "0.10"', "", r"buildpack\.toml: api: missing"),
        ('api = "0.10"', 'api = "new"', "not a Buildpack API version: 'new'"),
        ('id = "acme/java"', 'id = "../../etc"', "not the id of a buildpack"),
        ('id = "acme/java"', 'id = "/acme"', "not the id of a buildpack"),
        ('id = "acme/java"', 'id = "app"', "not the id of a buildpack"),
        ('version = "1.2.3"', 'version = "../1"', "not a version"),
        ('version = "1.2.3"', "", "not a version"),
        ('name = "Java"', "name = 3", r"buildpack\.name: expected `str`, got `int`"),
        ('api = "0.10"', "api = ", r"buildpack\.toml: Invalid value"),
    ],
)
def test_what_is_wrong_with_a_descriptor_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = DESCRIPTOR.replace(old, new, 1)
    with pytest.raises(ImageError, match=message):
        Buildpack.read(make_buildpack(tmp_path / "java", text))


def test_a_missing_or_unexecutable_program_is_named(tmp_path: Path) -> None:
    folder = make_buildpack(tmp_path / "java")
    (folder / "bin/build").chmod(0o644)
    with pytest.raises(ImageError, match="bin/build may not be executed") as caught:
        Buildpack.read(folder)
    assert "chmod +x" in caught.value.hint
    (folder / "bin/build").unlink()
    with pytest.raises(ImageError, match=r"acme/java@1\.2\.3 has no bin/build"):
        Buildpack.read(folder)


def test_an_api_that_the_lifecycle_does_not_speak_is_refused(tmp_path: Path) -> None:
    buildpack = Buildpack.read(make_buildpack(tmp_path / "java"))
    buildpack.check_api(("0.9", "0.10"), lifecycle_version="0.21.0")
    with pytest.raises(ImageError, match=r"Buildpack API 0\.10, which lifecycle 0\.9\.0 does not"):
        buildpack.check_api(("0.7",), lifecycle_version="0.9.0")


def test_links_out_of_the_folder_are_noticed(tmp_path: Path) -> None:
    folder = make_buildpack(tmp_path / "java")
    (folder / "bin/again").symlink_to("build")
    assert not leads_out(folder)
    (tmp_path / "common.sh").write_text("")
    (folder / "common.sh").symlink_to("../common.sh")
    assert leads_out(folder)


@pytest.mark.parametrize("prefix", [".", "java-1.2.3"])
def test_an_archive_is_read_with_or_without_a_folder_around(
    tmp_path: Path, unpacked: UnpackedFolders, prefix: str
) -> None:
    archive = make_archive(make_buildpack(tmp_path / "java"), tmp_path / "java.tgz", prefix=prefix)
    (buildpack,) = buildpacks_at_path(archive, unpacked=unpacked)
    assert str(buildpack) == "acme/java@1.2.3"
    assert buildpack.folder.is_relative_to(tmp_path / "unpacked")


def test_an_archive_that_is_no_buildpack_is_named(
    tmp_path: Path, unpacked: UnpackedFolders
) -> None:
    (tmp_path / "empty").mkdir()
    archive = make_archive(tmp_path / "empty", tmp_path / "empty.tgz", prefix=".")
    with pytest.raises(ImageError, match=r"empty\.tgz is not a buildpack"):
        buildpacks_at_path(archive, unpacked=unpacked)


def test_a_path_that_is_not_there_is_named(tmp_path: Path, unpacked: UnpackedFolders) -> None:
    with pytest.raises(ImageError, match="no such folder or archive"):
        buildpacks_at_path(tmp_path / "none", unpacked=unpacked)


def make_buildpackage(tmp_path: Path) -> tuple[Layout, LayoutImage]:
    """As pack makes them: one layer for each buildpack, the main one a composite."""
    layout = Layout.create(tmp_path / "package")
    layers: list[WrittenLayer] = []
    labels: dict[str, dict[str, object]] = {}
    for name, text in (("acme/java", DESCRIPTOR), ("acme/all", COMPOSITE)):
        folder = make_buildpack(tmp_path / name, text)
        buildpack = Buildpack.read(folder)
        with LayerWriter(layout) as layer:
            layer.add_tree(folder, buildpack.container_folder)
        layers.append(layer.written)
        labels[name] = {buildpack.version: {"layerDiffID": str(layer.written.diff_id)}}
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {
            "Labels": {
                "io.buildpacks.buildpackage.metadata": '{"id":"acme/all","version":"2.0.0"}',
                "io.buildpacks.buildpack.layers": json.dumps(labels),
            }
        },
        "rootfs": {"type": "layers", "diff_ids": [str(one.diff_id) for one in layers]},
    }
    descriptors = [
        {"mediaType": one.descriptor.media_type, "digest": one.descriptor.digest,
         "size": one.descriptor.size}
        for one in layers
    ]  # fmt: skip
    return layout, layout.write_image(config, descriptors)


def test_a_buildpackage_gives_the_main_buildpack_first(
    tmp_path: Path, unpacked: UnpackedFolders
) -> None:
    layout, image = make_buildpackage(tmp_path)
    found = buildpacks_of_image(layout, image, unpacked=unpacked, origin="registry.example/all")
    assert [str(one) for one in found] == ["acme/all@2.0.0", "acme/java@1.2.3"]
    assert (found[1].folder / "bin/build").is_file()


def test_a_cnb_file_is_a_buildpackage_too(tmp_path: Path, unpacked: UnpackedFolders) -> None:
    layout, _ = make_buildpackage(tmp_path)
    with tarfile.open(tmp_path / "all.cnb", "w") as archive:
        archive.add(layout.path, arcname=".")
    found = buildpacks_at_path(tmp_path / "all.cnb", unpacked=unpacked)
    assert [str(one) for one in found] == ["acme/all@2.0.0", "acme/java@1.2.3"]


def test_an_image_that_is_no_buildpackage_names_the_label(
    tmp_path: Path, unpacked: UnpackedFolders
) -> None:
    layout = Layout.create(tmp_path / "layout")
    image = layout.write_image({"os": "linux", "architecture": "amd64"}, [])
    with pytest.raises(ImageError, match=r"no label io\.buildpacks\.buildpackage\.metadata"):
        buildpacks_of_image(layout, image, unpacked=unpacked, origin="x")
