"""A whole builder, assembled from small parts, and read back."""

import json
import tarfile
import tomllib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.base_image import BaseImage, write_base_image
from lifecycle.builder import ApiVersions, BuilderImage, LifecycleApis, RunImageChoice
from lifecycle.builder_content import BuilderContent, Creator, resolve_order
from lifecycle.builder_image import write_builder
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.lifecycle_source import Lifecycle
from lifecycle.module import ModuleRef, OrderEntry, SystemModules
from oci.errors import ImageError
from oci.layer_writer import CONSTANT_TIME
from oci.layout import Layout, LayoutImage
from oci.platform import Platform

AMD64 = Platform("linux", "amd64")
PASSWD = "root:x:0:0:root:/root:/bin/sh\ncnb:x:1005:1006:CNB:/home/cnb:/bin/bash\n"
OS_RELEASE = 'ID=debian\nVERSION_ID="12"\n# comment\n'


def make_rootfs_tar(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./etc/{name.replace('_', '-')}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))
    return path


def make_base(tmp_path: Path, **files: str) -> tuple[Layout, LayoutImage]:
    files = files or {"passwd": PASSWD, "os_release": OS_RELEASE}
    tarball = make_rootfs_tar(tmp_path / "root.tar", **files)
    layout = Layout.create(tmp_path / "base")
    base = BaseImage(
        user="cnb",
        for_building=True,
        created=CONSTANT_TIME,
        comment="made by hand",
        labels={"io.buildpacks.base.id": "acme"},
        annotations={"k": "v"},
    )
    return layout, write_base_image(layout, tarball, base, AMD64)


def make_module(folder: Path, module_id: str, version: str = "1.0.0", extra: str = "") -> Buildpack:
    (folder / "bin").mkdir(parents=True)
    (folder / "buildpack.toml").write_text(
        f'api = "0.10"\n[buildpack]\nid = "{module_id}"\nversion = "{version}"\n'
        f'name = "N"\nhomepage = "H"\n[[buildpack.licenses]]\ntype = "MIT"\n{extra}'
    )
    for name in ("detect", "build"):
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    return Buildpack.read(folder)


@pytest.fixture
def content(tmp_path: Path) -> BuilderContent:
    programs = tmp_path / "lifecycle"
    programs.mkdir()
    (programs / "lifecycle").write_text("program")
    (programs / "lifecycle").chmod(0o755)
    return BuilderContent(
        description="small",
        lifecycle=Lifecycle(
            version="0.21.14",
            apis=LifecycleApis(
                buildpack=ApiVersions(deprecated=("0.7",), supported=("0.7", "0.9", "0.10")),
                platform=ApiVersions(supported=("0.12", "0.15")),
            ),
            folder=programs,
            links={"detector": "lifecycle"},
        ),
        modules=(make_module(tmp_path / "b", "acme/b"), make_module(tmp_path / "a", "acme/a")),
        order=(OrderEntry((ModuleRef("acme/a", "1.0.0"), ModuleRef("acme/b", "1.0.0", True))),),
        order_extensions=(),
        system=SystemModules(pre=(ModuleRef("acme/a", "1.0.0"),)),
        run_images=(RunImageChoice("registry.example/run", ("other.example/run",)),),
        build_config={"FLAGS.append": "-x", "FLAGS.delim": " "},
        stack_id="acme.stack",
        labels={"own": "label"},
        annotations={"dev.locald.inputs": "x"},
        created=CONSTANT_TIME,
        creator=Creator(name="locald", version="1"),
    )


def write(tmp_path: Path, content: BuilderContent, name: str = "out") -> tuple[Layout, LayoutImage]:
    _, base = make_base(tmp_path) if not (tmp_path / "base").exists() else read_base(tmp_path)
    layout = Layout.create(tmp_path / name)
    return layout, write_builder(layout, base, content)


def read_base(tmp_path: Path) -> tuple[Layout, LayoutImage]:
    layout = Layout(tmp_path / "base")
    return layout, layout.read()


def files_of(layout: Layout, image: LayoutImage) -> dict[str, tarfile.TarInfo]:
    found: dict[str, tarfile.TarInfo] = {}
    for digest in image.layer_digests:
        if layout.has_blob(digest):
            with tarfile.open(layout.blob_path(digest)) as archive:
                found |= {member.name: member for member in archive}
    return found


def read_file(layout: Layout, image: LayoutImage, name: str) -> str:
    for digest in reversed(image.layer_digests):
        if layout.has_blob(digest):
            with tarfile.open(layout.blob_path(digest)) as archive:
                if name in archive.getnames():
                    file = archive.extractfile(name)
                    assert file is not None
                    return file.read().decode()
    raise AssertionError(f"no {name}")


def label(image: LayoutImage, name: str) -> Any:
    return json.loads(image.config.labels[name])


def test_a_base_image_has_the_user_of_its_passwd(tmp_path: Path) -> None:
    _, image = make_base(tmp_path)
    container = image.config.config
    assert container.user == "1005:1006"
    assert container.environment == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/cnb",
        "CNB_USER_ID": "1005",
        "CNB_GROUP_ID": "1006",
    }
    assert image.config.labels == {
        "io.buildpacks.base.id": "acme",
        "io.buildpacks.base.distro.name": "debian",
        "io.buildpacks.base.distro.version": "12",
    }
    assert image.config.created == "1980-01-01T00:00:01Z"
    assert image.manifest.annotations == {"k": "v"}


def test_a_run_image_hands_on_no_more_than_its_path(tmp_path: Path) -> None:
    tarball = make_rootfs_tar(tmp_path / "root.tar", passwd=PASSWD)
    base = BaseImage(
        user="cnb", for_building=False, created=0, comment="", labels={}, annotations={}
    )
    image = write_base_image(Layout.create(tmp_path / "run"), tarball, base, AMD64)
    assert list(image.config.config.environment) == ["PATH"]
    assert image.config.config.user == "1005:1006"


def test_a_base_without_that_user_gets_1000(tmp_path: Path) -> None:
    _, image = make_base(tmp_path, passwd="root:x:0:0::/root:/bin/sh\n")
    assert image.config.config.user == "1000:1000"


def test_a_file_that_is_no_root_filesystem_is_named(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_text("no archive")
    base = BaseImage(
        user="cnb", for_building=False, created=0, comment="", labels={}, annotations={}
    )
    with pytest.raises(ImageError, match=r"root\.tar is not a tar archive"):
        write_base_image(Layout.create(tmp_path / "l"), tmp_path / "root.tar", base, AMD64)


def test_the_builder_is_read_back_as_it_was_made(tmp_path: Path, content: BuilderContent) -> None:
    _, image = write(tmp_path, content)
    builder = BuilderImage.from_config(image.config, origin="x")
    assert (builder.uid, builder.gid) == (1005, 1006)
    assert builder.description == "small"
    assert builder.platform_apis == ("0.12", "0.15")
    assert builder.buildpack_apis == ("0.7", "0.9", "0.10")
    assert builder.lifecycle_version == "0.21.14"
    assert builder.run_images == content.run_images
    assert [str(module) for module in builder.buildpacks] == ["acme/b@1.0.0", "acme/a@1.0.0"]
    assert builder.order == content.order
    assert builder.system == content.system
    assert builder.stack_id == "acme.stack"
    assert builder.distro == "debian 12"
    assert builder.created_by == "locald 1"
    assert image.config.labels["own"] == "label"
    assert image.config.config.working_dir == "/layers"
    assert image.manifest.annotations == {"dev.locald.inputs": "x"}


def test_the_labels_are_those_of_pack(tmp_path: Path, content: BuilderContent) -> None:
    _, image = write(tmp_path, content)
    assert label(image, "io.buildpacks.builder.metadata") == {
        "description": "small",
        "buildpacks": [
            {
                "id": module,
                "version": "1.0.0",
                "name": "N",
                "homepage": "H",
                "licenses": [{"Type": "MIT", "URI": ""}],
            }
            for module in ("acme/b", "acme/a")
        ],
        "extensions": [],
        "stack": {"runImage": {"image": "registry.example/run", "mirrors": ["other.example/run"]}},
        "lifecycle": {
            "version": "0.21.14",
            "api": {"buildpack": "0.7", "platform": "0.12"},
            "apis": label(image, "io.buildpacks.lifecycle.apis"),
        },
        "createdBy": {"name": "locald", "version": "1"},
        "images": [{"image": "registry.example/run", "mirrors": ["other.example/run"]}],
    }
    layers = label(image, "io.buildpacks.buildpack.layers")
    assert list(layers) == ["acme/a", "acme/b"]
    assert layers["acme/a"]["1.0.0"]["layerDiffID"] in image.config.rootfs.diff_ids
    assert {k: v for k, v in layers["acme/a"]["1.0.0"].items() if k != "layerDiffID"} == {
        "api": "0.10",
        "homepage": "H",
        "name": "N",
    }
    assert label(image, "io.buildpacks.extension.layers") == {}
    assert label(image, "io.buildpacks.buildpack.order-extensions") == []


def test_the_files_are_where_the_lifecycle_looks(tmp_path: Path, content: BuilderContent) -> None:
    layout, image = write(tmp_path, content)
    found = files_of(layout, image)
    assert {(found[n].uid, found[n].gid) for n in ("layers", "workspace")} == {(1005, 1006)}
    assert {found[n].uid for n in ("cnb", "cnb/buildpacks", "platform/env")} == {0}
    assert found["cnb/lifecycle/lifecycle"].mode == 0o755
    assert found["cnb/lifecycle/detector"].linkname == "lifecycle"
    assert found["lifecycle"].linkname == "/cnb/lifecycle"
    assert "cnb/buildpacks/acme_a/1.0.0/bin/build" in found
    assert tomllib.loads(read_file(layout, image, "cnb/order.toml")) == {
        "order": [
            {
                "group": [
                    {"id": "acme/a", "version": "1.0.0"},
                    {"id": "acme/b", "version": "1.0.0", "optional": True},
                ]
            }
        ]
    }
    run = {"image": "registry.example/run", "mirrors": ["other.example/run"]}
    assert tomllib.loads(read_file(layout, image, "cnb/run.toml")) == {"images": [run]}
    assert tomllib.loads(read_file(layout, image, "cnb/stack.toml")) == {"run-image": run}
    assert tomllib.loads(read_file(layout, image, "cnb/system.toml")) == {
        "system": {"pre": {"buildpacks": [{"id": "acme/a", "version": "1.0.0"}]}}
    }
    assert read_file(layout, image, "cnb/build-config/env/FLAGS.append") == "-x"


def test_the_base_stays_below_and_history_fits_the_layers(
    tmp_path: Path, content: BuilderContent
) -> None:
    _, image = write(tmp_path, content)
    _, base = read_base(tmp_path)
    assert image.manifest.layers[0] == base.manifest.layers[0]
    assert image.config.rootfs.diff_ids[0] == base.config.rootfs.diff_ids[0]
    assert len(image.config.history or ()) == len(image.manifest.layers)


def test_the_same_content_gives_the_same_digest(tmp_path: Path, content: BuilderContent) -> None:
    _, first = write(tmp_path, content)
    reversed_modules = replace(content, modules=content.modules)
    _, second = write(tmp_path, reversed_modules, "again")
    assert first.digest == second.digest


def test_a_base_without_cnb_ids_is_refused(tmp_path: Path, content: BuilderContent) -> None:
    layout, base = make_base(tmp_path)
    config = msgspec.json.decode(base.config_bytes)
    config["config"]["Env"] = ["PATH=/bin"]
    broken = layout.rewrite(lambda document: document.update(config))
    with pytest.raises(ImageError, match="does not give a number in the variable CNB_USER_ID"):
        write_builder(Layout.create(tmp_path / "out"), broken, content)


def test_a_composite_whose_part_is_missing_is_refused(
    tmp_path: Path, content: BuilderContent
) -> None:
    extra = '[[order]]\ngroup = [{ id = "acme/none", version = "1.0.0" }]\n'
    composite = make_module(tmp_path / "c", "acme/c", extra=extra)
    with pytest.raises(ImageError, match=r"acme/c@1\.0\.0 needs acme/none@1\.0\.0"):
        write(tmp_path, replace(content, modules=(*content.modules, composite)))


def test_a_buildpack_for_another_platform_is_refused(
    tmp_path: Path, content: BuilderContent
) -> None:
    other = make_module(
        tmp_path / "c", "acme/c", extra='[[targets]]\nos = "linux"\narch = "s390x"\n'
    )
    with pytest.raises(ImageError, match="made for linux/s390x; the build image is linux/amd64"):
        write(tmp_path, replace(content, modules=(other,), order=(), system=SystemModules()))


def test_an_order_gets_its_versions(content: BuilderContent) -> None:
    order = [OrderEntry((ModuleRef("acme/a", optional=True),))]
    assert resolve_order(order, content.modules, ModuleKind.BUILDPACK) == (
        OrderEntry((ModuleRef("acme/a", "1.0.0", True),)),
    )


@pytest.mark.parametrize(
    "ref", [ModuleRef("acme/none"), ModuleRef("acme/a", "2.0.0")], ids=["id", "version"]
)
def test_an_order_that_names_what_is_not_there_is_refused(
    content: BuilderContent, ref: ModuleRef
) -> None:
    with pytest.raises(ImageError, match="which the builder does not have"):
        resolve_order([OrderEntry((ref,))], content.modules, ModuleKind.BUILDPACK)


def test_an_order_must_choose_among_versions(tmp_path: Path, content: BuilderContent) -> None:
    modules = (*content.modules, make_module(tmp_path / "a2", "acme/a", "2.0.0"))
    with pytest.raises(ImageError, match="without a version, and there are several"):
        resolve_order([OrderEntry((ModuleRef("acme/a"),))], modules, ModuleKind.BUILDPACK)
