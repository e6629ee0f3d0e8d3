"""What a builder image's labels and environment tell."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from lifecycle.builder import BuilderImage, RunImageChoice
from lifecycle.module import ModuleRef, OrderEntry
from oci.errors import ImageError
from oci.image import ContainerConfig, ImageConfig

APIS = {
    "buildpack": {"deprecated": [], "supported": ["0.7", "0.10"]},
    "platform": {"deprecated": ["0.11"], "supported": ["0.12", "0.13"]},
}
METADATA = {
    "description": "a builder",
    "buildpacks": [{"id": "acme/java", "version": "1.2.3", "name": "Java", "keywords": ["jvm"]}],
    "extensions": None,
    "stack": {"runImage": {"image": "", "mirrors": None}},
    "lifecycle": {"version": "0.21.0", "api": {"buildpack": "0.7", "platform": "0.11"}},
    "createdBy": {"name": "Pack CLI", "version": "0.40.0"},
    "images": [
        {"image": "registry.example/run", "mirrors": ["other.example/run"]},
        {"image": "registry.example/tiny", "mirrors": None},
    ],
}
ENV = ("PATH=/usr/bin:/bin", "CNB_USER_ID=1001", "CNB_GROUP_ID=1000", "HOME=/home/cnb")


def make_config(
    metadata: object = METADATA,
    env: tuple[str, ...] = ENV,
    *,
    apis: object = APIS,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> ImageConfig:
    if isinstance(metadata, dict) and apis is not None:
        metadata = {**metadata, "lifecycle": {**metadata["lifecycle"], "apis": apis}}
    all_labels: dict[str, str] = {"io.buildpacks.builder.metadata": json.dumps(metadata), **labels}
    return ImageConfig(config=ContainerConfig(env=env, labels=all_labels))


def read(config: ImageConfig) -> BuilderImage:
    return BuilderImage.from_config(config, origin="registry.example/builder:1")


def test_labels_as_pack_writes_them_are_read() -> None:
    order: list[dict[str, Any]] = [
        {"group": [{"id": "acme/java", "version": "1.2.3"}, {"id": "acme/env", "optional": True}]}
    ]
    builder = read(
        make_config(
            labels={
                "io.buildpacks.buildpack.order": json.dumps(order),
                "io.buildpacks.buildpack.order-extensions": "null",
                "io.buildpacks.buildpack.system": json.dumps(
                    {"pre": {"buildpacks": [{"id": "acme/ca", "version": "1"}]}}
                ),
                "io.buildpacks.stack.id": "acme.stack",
                "io.buildpacks.base.distro.name": "debian",
                "io.buildpacks.base.distro.version": "12",
            }
        )
    )
    assert (builder.uid, builder.gid) == (1001, 1000)
    assert builder.env["HOME"] == "/home/cnb"
    assert builder.platform_apis == ("0.11", "0.12", "0.13")
    assert builder.buildpack_apis == ("0.7", "0.10")
    assert builder.lifecycle_version == "0.21.0"
    assert builder.run_images == (
        RunImageChoice("registry.example/run", ("other.example/run",)),
        RunImageChoice("registry.example/tiny"),
    )
    assert [str(module) for module in builder.buildpacks] == ["acme/java@1.2.3"]
    assert builder.buildpacks[0].name == "Java"
    assert builder.order == (
        OrderEntry((ModuleRef("acme/java", "1.2.3"), ModuleRef("acme/env", optional=True))),
    )
    assert builder.order_extensions == ()
    assert builder.system.pre == (ModuleRef("acme/ca", "1"),)
    assert builder.stack_id == "acme.stack"
    assert builder.distro == "debian 12"
    assert builder.description == "a builder"
    assert builder.created_by == "Pack CLI 0.40.0"


def test_the_run_image_of_an_old_builder_is_its_stack_s() -> None:
    old = {
        "stack": {"runImage": {"image": "registry.example/run", "mirrors": ["m.example/run"]}},
        "lifecycle": {"version": "0.9.0"},
    }
    assert read(make_config(old)).run_images == (
        RunImageChoice("registry.example/run", ("m.example/run",)),
    )


def test_apis_come_from_the_metadata_or_the_lifecycle_s_label_or_the_single_versions() -> None:
    label = {"io.buildpacks.lifecycle.apis": json.dumps(APIS)}
    assert read(make_config(apis=None, labels=label)).platform_apis == ("0.11", "0.12", "0.13")
    assert read(make_config(apis=None)).platform_apis == ("0.11",)


def test_an_image_without_the_label_is_named_as_no_builder() -> None:
    with pytest.raises(ImageError) as caught:
        BuilderImage.from_config(ImageConfig(), origin="docker.io/library/debian:12")
    assert caught.value.message == (
        "docker.io/library/debian:12 is not a builder: "
        "it has no label io.buildpacks.builder.metadata"
    )
    assert "locald builder suggest" in caught.value.hint


def test_a_builder_without_platform_apis_is_refused() -> None:
    with pytest.raises(ImageError, match=r"Platform APIs .*io\.buildpacks\.lifecycle\.apis"):
        read(make_config({"lifecycle": {}}, apis=None))


@pytest.mark.parametrize("variable", ["CNB_USER_ID", "CNB_GROUP_ID"])
def test_a_missing_id_is_named(variable: str) -> None:
    env = tuple(entry for entry in ENV if not entry.startswith(variable))
    with pytest.raises(ImageError, match=f"its environment has no {variable}"):
        read(make_config(env=env))


@pytest.mark.parametrize("value", ["cnb", "-1", "1.0", "٣", "65535", "9" * 5000])
def test_an_id_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ImageError, match=r"CNB_USER_ID is .*, not a number"):
        read(make_config(env=(f"CNB_USER_ID={value}", "CNB_GROUP_ID=1000")))


def test_a_builder_that_runs_as_root_is_refused() -> None:
    with pytest.raises(ImageError, match="builds as root: its CNB_USER_ID is 0"):
        read(make_config(env=("CNB_USER_ID=0", "CNB_GROUP_ID=0")))


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"lifecycle": 3}', "[" * 100_000])
def test_a_label_that_cannot_be_read_is_named(text: str) -> None:
    config = ImageConfig(
        config=ContainerConfig(env=ENV, labels={"io.buildpacks.builder.metadata": text})
    )
    with pytest.raises(ImageError, match=r"label io\.buildpacks\.builder\.metadata cannot be read"):
        read(config)


def test_another_user_is_another_user_in_its_environment_too() -> None:
    builder = read(make_config())
    assert builder.with_user(None, None) is builder
    other = builder.with_user(2345, None)
    assert (other.uid, other.gid) == (2345, builder.gid)
    assert other.env["CNB_USER_ID"] == "2345"
    assert other.env["CNB_GROUP_ID"] == str(builder.gid)
