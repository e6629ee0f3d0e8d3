"""The report of a build."""

import json
from pathlib import Path

import pytest
import yaml

from lifecycle.execution import PhaseOutcome
from lifecycle.phase import Phase
from locald.build.report import BuildResult, report_document, report_text, write_report
from oci.errors import StorageError, UsageError
from oci.layout import Layout
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer


def stored(layout: Layout, name: str) -> StoredImage:
    image = layout.read()
    return StoredImage(
        reference=Reference.parse(name),
        layout=layout,
        image=image,
        source=None,
        source_digest=image.digest,
    )


@pytest.fixture
def result(tmp_path: Path) -> BuildResult:
    layers = [tar_layer({"base": "1"}), tar_layer({"app": "1"})]
    image = stored(make_image(tmp_path / "app", layers=layers), "localhost/shop:1")
    return BuildResult(
        names=(Reference.parse("localhost/shop:1"), Reference.parse("registry.example/shop")),
        image=image,
        builder=stored(make_image(tmp_path / "builder", files={"b": "1"}), "a.example/builder:1"),
        run_image=stored(make_image(tmp_path / "run", layers=layers[:1]), "a.example/run:1"),
        run_image_name=Reference.parse("mirror.example/run:1"),
        platform_api="0.15",
        runtime="runc",
        buildpacks=("acme/node@1.0",),
        phases=(PhaseOutcome(phase=Phase.BUILD, seconds=1.23456),),
        seconds=2.34567,
        step_seconds={"acquire": 0.12345},
        outputs=("oci:/out:1",),
        new_layers=frozenset({str(image.image.layer_digests[1])}),
    )


def test_the_document_tells_what_went_in_and_what_came_out(result: BuildResult) -> None:
    document = report_document(result)
    layers = document["image"].pop("layers")
    assert document == {
        "image": {
            "names": ["localhost/shop:1", "registry.example/shop"],
            "digest": str(result.image.digest),
            "config_digest": result.image.image.manifest.config.digest,
        },
        "builder": {"name": "a.example/builder:1", "digest": str(result.builder.digest)},
        "run_image": {"name": "mirror.example/run:1", "digest": str(result.run_image.digest)},
        "platform_api": "0.15",
        "runtime": "runc",
        "buildpacks": ["acme/node@1.0"],
        "phases": [{"name": "build", "seconds": 1.2346}],
        "steps": {"acquire": 0.1235},
        "seconds": 2.3457,
        "outputs": ["oci:/out:1"],
        "published": [],
    }
    manifest, config = result.image.image.manifest, result.image.config
    assert layers == [
        {"digest": d.digest, "diff_id": diff_id, "size_bytes": d.size, "reused": reused}
        for d, diff_id, reused in zip(
            manifest.layers, config.rootfs.diff_ids, (True, False), strict=True
        )
    ]


def test_both_forms_say_the_same(result: BuildResult) -> None:
    document = report_document(result)
    assert json.loads(report_text(result, yaml_form=False)) == document
    assert yaml.safe_load(report_text(result, yaml_form=True)) == document


@pytest.mark.parametrize("name", ["report.json", "report", "report.yaml", "report.yml"])
def test_the_file_s_name_chooses_the_form(result: BuildResult, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / name).write_text("earlier")
    write_report(folder / name, result)
    text = (folder / name).read_text()
    assert text.startswith("{") is ("ya" not in name and "yml" not in name)
    assert [p.name for p in folder.iterdir()] == [name]


def test_a_report_that_cannot_be_written_says_so(result: BuildResult, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"--report .*cannot be written: No such file"):
        write_report(tmp_path / "gone/report.json", result)


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_in_the_place_of_the_report_is_told(
    result: BuildResult, tmp_path: Path, path: str
) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_report(Path(path) if path else tmp_path, result)
