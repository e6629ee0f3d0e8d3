"""The report of a build."""

import json
from pathlib import Path, PurePosixPath

import pytest
import yaml

import locald
from lifecycle.errors import PhaseError
from lifecycle.execution import PhaseOutcome
from lifecycle.phase import Phase
from lifecycle.platform_api import PlatformApi
from lifecycle.runtime.spec import ContainerSpec, MemoryFolder, Mount, Network, OverlayMount
from locald.build.ledger import Inputs, Ledger
from locald.build.report import report_document, report_text, write_report
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.errors import StorageError, UsageError
from oci.layout import Layout
from oci.moved import Moved
from oci.platform import Platform
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.images import make_image, tar_layer

GIVEN = ContainerSpec(
    name="locald-b1-build",
    rootfs=Path("/store/rootfs"),
    argv=("/cnb/lifecycle/builder", "-app", "/workspace"),
    env={"PATH": "/bin", "CNB_PLATFORM_API": "0.15", "HTTP_PROXY": "http://user:secret@proxy"},
    cwd=PurePosixPath("/"),
    user=1000,
    group=1001,
    mounts=(Mount(source=Path("/own/layers"), target=PurePosixPath("/layers"), read_only=True),),
    overlays=(
        OverlayMount(
            lower=Path("/home/app"), scratch=Path("/own/o"), target=PurePosixPath("/workspace")
        ),
    ),
    memory=(MemoryFolder(target=PurePosixPath("/run/tokens"), files={"token": b"secret"}),),
    network=Network.PRIVATE,
)


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
def ledger(tmp_path: Path) -> Ledger:
    """A build whose build phase has been started."""
    request = BuildRequest(
        project_dir=Path("/home"),
        app_dir=Path("/home/app"),
        project_name="shop",
        service="api",
        names=(Reference.parse("localhost/shop:1"), Reference.parse("registry.example/shop")),
        builder=Reference.parse("a.example/builder:1"),
        platform=Platform("linux", "amd64"),
        env={"TOKEN": "secret", "A": "secret"},
    )
    base = tar_layer({"base": "1"})
    ledger = Ledger(request=request, began=0.0)
    ledger.inputs = Inputs(
        builder=stored(make_image(tmp_path / "builder", files={"b": "1"}), "a.example/builder:1"),
        lifecycle_version="0.21.14",
        run_image=stored(make_image(tmp_path / "run", layers=[base]), "a.example/run:1"),
        run_image_name="mirror.example/run:1",
        previous=None,
        platform_api=PlatformApi(0, 15),
        runtime="runc",
        cache="shop-1",
        modules={"/cnb/buildpacks/acme/1": "sha256:1"},
    )
    ledger.source = Digest("0" * 64)
    ledger.clock.seconds["acquire"] = 0.12345
    ledger.phase_started(Phase.BUILD, GIVEN)
    return ledger


@pytest.fixture
def built(ledger: Ledger, tmp_path: Path) -> Ledger:
    layers = [tar_layer({"base": "1"}), tar_layer({"app": "1"})]
    image = stored(make_image(tmp_path / "app", layers=layers), "localhost/shop:1")
    ledger.phase_finished(PhaseOutcome(phase=Phase.BUILD, seconds=1.23456))
    ledger.buildpacks = ("acme/node@1.0",)
    ledger.built(
        image,
        frozenset({str(image.image.layer_digests[1])}),
        ("oci:/out:1",),
        (Moved(repository="registry.example/shop", sent=1, present=2),),
    )
    return ledger


def test_the_document_tells_what_went_in_and_what_came_out(built: Ledger) -> None:
    document = report_document(built)
    assert built.inputs is not None
    assert built.image is not None
    assert document.pop("seconds") >= 0
    layers = document["image"].pop("layers")
    given = document["phases"][0].pop("given")
    assert document == {
        "status": "built",
        "locald": locald.__version__,
        "service": "api",
        "platform": "linux/amd64",
        "began": "1970-01-01T00:00:00Z",
        "source": {"folder": "/home/app", "digest": f"sha256:{'0' * 64}"},
        "environment": ["A", "TOKEN"],
        "builder": {
            "name": "a.example/builder:1",
            "digest": str(built.inputs.builder.digest),
            "lifecycle": "0.21.14",
        },
        "run_image": {
            "name": "mirror.example/run:1",
            "digest": str(built.inputs.run_image.digest),
        },
        "previous_image": None,
        "added": [{"place": "/cnb/buildpacks/acme/1", "digest": "sha256:1"}],
        "platform_api": "0.15",
        "runtime": "runc",
        "cache": "shop-1",
        "buildpacks": ["acme/node@1.0"],
        "extensions": [],
        "phases": [{"name": "build", "seconds": 1.2346}],
        "steps": {"acquire": 0.1235},
        "image": {
            "names": ["localhost/shop:1", "registry.example/shop"],
            "digest": str(built.image.digest),
            "config_digest": built.image.image.manifest.config.digest,
        },
        "outputs": ["oci:/out:1"],
        "outputs_kept": [],
        "published": [
            {
                "repository": "registry.example/shop",
                "size_bytes": 3,
                "sent_bytes": 1,
                "copied_bytes": 0,
                "mounted_bytes": 0,
                "present_bytes": 2,
            }
        ],
    }
    manifest, config = built.image.image.manifest, built.image.config
    assert [(layer["digest"], layer["diff_id"], layer["reused"]) for layer in layers] == [
        (d.digest, diff_id, reused)
        for d, diff_id, reused in zip(
            manifest.layers, config.rootfs.diff_ids, (True, False), strict=True
        )
    ]
    assert given == {
        "argv": ["/cnb/lifecycle/builder", "-app", "/workspace"],
        "user": 1000,
        "group": 1001,
        "network": "private",
        "read_only_root": False,
        "mounts": [
            {"target": "/layers", "source": "/own/layers", "read_only": True},
            {"target": "/workspace", "source": "/home/app", "overlay": True, "read_only": False},
            {"target": "/run/tokens", "files": ["token"], "read_only": True},
        ],
        "environment": {"CNB_PLATFORM_API": "0.15", "HTTP_PROXY": None, "PATH": None},
        "limits": {},
    }


def test_no_value_that_the_user_gave_stands_in_it(built: Ledger) -> None:
    assert "secret" not in report_text([built], yaml_form=False)


def test_a_failed_build_tells_where_and_why(ledger: Ledger) -> None:
    ledger.failed(PhaseError(Phase.BUILD, 51, details=["no such module"], hint="see above"))
    document = report_document(ledger)
    assert document["status"] == "failed"
    assert document["error"] == {
        "message": "build: a buildpack failed to build (exit code 51)",
        "details": ["no such module"],
        "hint": "see above",
        "exit_code": 51,
        "phase": "build",
    }
    assert document["phases"][0]["seconds"] is None
    assert "image" not in document


def test_a_build_that_failed_before_anything_was_found_has_a_report(ledger: Ledger) -> None:
    early = Ledger(request=ledger.request)
    early.failed(StorageError("the disk is full"))
    document = report_document(early)
    assert document["error"]["phase"] is None
    assert document["error"]["exit_code"] == 6
    assert document["phases"] == []
    assert "builder" not in document


def test_an_interrupted_build_says_so(ledger: Ledger) -> None:
    ledger.failed(KeyboardInterrupt())
    assert report_document(ledger)["status"] == "interrupted"
    assert "error" not in report_document(ledger)


def test_several_builds_are_a_list(built: Ledger) -> None:
    document = json.loads(report_text([built, built], yaml_form=False))
    assert list(document) == ["builds"]
    assert [build["service"] for build in document["builds"]] == ["api", "api"]


def test_both_forms_say_the_same(built: Ledger) -> None:
    one = json.loads(report_text([built], yaml_form=False))
    other = yaml.safe_load(report_text([built], yaml_form=True))
    assert one.pop("seconds") <= other.pop("seconds")
    assert one == other


@pytest.mark.parametrize("name", ["report.json", "report", "report.yaml", "report.yml"])
def test_the_file_s_name_chooses_the_form(built: Ledger, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / name).write_text("earlier")
    write_report(folder / name, [built])
    text = (folder / name).read_text()
    assert text.startswith("{") is ("ya" not in name and "yml" not in name)
    assert [p.name for p in folder.iterdir()] == [name]


def test_a_report_that_cannot_be_written_says_so(built: Ledger, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"--report .*cannot be written: No such file"):
        write_report(tmp_path / "gone/report.json", [built])


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_in_the_place_of_the_report_is_told(
    built: Ledger, tmp_path: Path, path: str
) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_report(Path(path) if path else tmp_path, [built])
