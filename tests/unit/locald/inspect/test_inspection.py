"""What an image says about itself."""

import json
from pathlib import Path

import msgspec
import pytest

from lifecycle.labels import BUILD_METADATA, LIFECYCLE_METADATA, REBASABLE
from locald.inspect.inspection import Inspection, inspect_image
from oci.layout import Layout
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.app_image import PROCESSES, make_app_image
from tests.support.images import make_image, tar_layer

NAME = Reference.parse("localhost/shop:latest")


def inspected(layout: Layout) -> Inspection:
    image = layout.read()
    stored = StoredImage(
        reference=NAME, layout=layout, image=image, source=None, source_digest=image.digest
    )
    return inspect_image(stored, [NAME])


@pytest.fixture(scope="module")
def inspection(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    return inspected(make_app_image(tmp_path_factory.mktemp("images") / "app", env={"A": "b=c"}))


def test_each_layer_has_its_maker(inspection: Inspection) -> None:
    assert [(layer.made_by, layer.name) for layer in inspection.layers] == [
        ("run image", ""),
        ("application", ""),
        ("lifecycle", "launcher"),
    ]


def test_sizes_add_up(inspection: Inspection) -> None:
    sizes = [layer.size_bytes for layer in inspection.layers]
    assert inspection.base is not None
    assert inspection.base.size_bytes == sizes[0]
    assert inspection.size_bytes == sum(sizes)
    assert inspection.own_size_bytes == sum(sizes[1:])


def test_base_image_buildpacks_processes_and_source(inspection: Inspection) -> None:
    assert inspection.base is not None
    assert inspection.base.name == "registry.example/run:1"
    assert inspection.base.top_layer == inspection.layers[0].diff_id
    assert inspection.rebasable
    assert [(b.id, b.version) for b in inspection.buildpacks] == [("test/shell", "1.2.3")]
    assert [p.type for p in inspection.processes] == list(PROCESSES)
    assert [p.type for p in inspection.processes if p.default] == ["web"]
    assert inspection.source == {"type": "git", "version": {"commit": "c0ffee"}}
    assert inspection.environment["A"] == "b=c"
    assert inspection.labels == {"a.label": "of the project", REBASABLE: "true"}


def test_the_keys_are_stable(inspection: Inspection) -> None:
    document = msgspec.to_builtins(inspection)
    assert list(document) == [
        "names", "digest", "config_digest", "created", "platform", "built_by_buildpacks",
        "size_bytes", "own_size_bytes", "base", "rebasable", "buildpacks", "processes", "user",
        "working_dir", "environment", "source", "labels", "layers",
    ]  # fmt: skip
    assert list(document["layers"][0]) == [
        "digest", "diff_id", "size_bytes", "media_type", "made_by", "name",
    ]  # fmt: skip
    assert list(document["processes"][0]) == [
        "type", "command", "args", "direct", "default", "working_dir", "buildpack",
    ]  # fmt: skip


def test_an_old_label_holds_the_command_as_text(tmp_path: Path) -> None:
    build = {"processes": [{"type": "web", "command": "serve it", "args": None}]}
    labels = {BUILD_METADATA: json.dumps(build), LIFECYCLE_METADATA: "{}"}
    (process,) = inspected(make_image(tmp_path / "old", files={}, labels=labels)).processes
    assert process.command == ("serve it",)
    assert process.default


def test_an_image_without_labels_is_shown_all_the_same(tmp_path: Path) -> None:
    layout = make_image(tmp_path / "other", layers=[tar_layer({"a": "1"})])
    inspection = inspected(layout)
    assert not inspection.built_by_buildpacks
    assert inspection.base is None
    assert [layer.made_by for layer in inspection.layers] == [""]
    assert inspection.own_size_bytes == inspection.size_bytes
