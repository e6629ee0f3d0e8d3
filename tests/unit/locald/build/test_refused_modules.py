"""Modules that cannot be added to a build: each told with the flag that named it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from locald.build.added_modules import add_modules
from locald.build.module_sources import ModuleSources
from locald.config.modules import ModuleRequest
from oci.errors import Error, ImageError
from tests.support.added_modules import AMD64, BUILDER, add, entries, make_sources
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.buildpackage import make_buildpackage


@pytest.fixture
def sources(tmp_path: Path) -> ModuleSources:
    return make_sources(tmp_path)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return BuildpackFolder.make(tmp_path / "mine").path


Breaker = Callable[[Path], object]


def toml(text: str, old: str = "") -> Breaker:
    """Change buildpack.toml."""

    def change(folder: Path) -> None:
        file = folder / "buildpack.toml"
        file.write_text(file.read_text().replace(old, text) if old else text)

    return change


@pytest.mark.parametrize(
    ("breaker", "message"),
    [
        (toml("api = "), "buildpack.toml: Invalid value"),
        (toml('api = "0.10"'), "buildpack.toml: buildpack: missing"),
        (toml("#" * ((8 << 20) + 1)), "buildpack.toml cannot be read: larger than"),
        (toml('api = "0.3"', 'api = "0.10"'), "is written for Buildpack API 0.3, which lifecycle"),
        (toml('os = "windows"', 'os = "linux"'), "is made for windows/any; what is built is linux"),
        (toml('os = "linux"\narch = "arm64"', 'os = "linux"'), "is made for linux/arm64; what is"),
        (toml('id = "../x"', 'id = "e2e/test"'), "not the id of a buildpack: '../x'"),
        (lambda folder: (folder / "bin/build").unlink(), "has no bin/build"),
        (lambda folder: (folder / "bin/build").chmod(0o644), "bin/build may not be executed"),
        (
            lambda folder: (folder / "bin/secret").symlink_to("/etc/passwd"),
            "links in it lead out of the folder",
        ),
        (
            lambda folder: (folder / "lib").symlink_to("../../" + "../" * 20 + "etc"),
            "links in it lead out of the folder",
        ),
    ],
)
def test_a_broken_folder_is_named(
    sources: ModuleSources, mine: Path, breaker: Breaker, message: str
) -> None:
    breaker(mine)
    with pytest.raises(Error) as caught:
        add(sources, mine)
    assert caught.value.message.startswith("--buildpack: ")
    assert message in caught.value.message
    assert caught.value.exit_code in (2, 4)


def test_an_api_error_names_what_is_spoken(sources: ModuleSources, mine: Path) -> None:
    with pytest.raises(ImageError) as caught:
        add(sources, mine, builder=replace(BUILDER, buildpack_apis=("0.11",)))
    assert caught.value.message == (
        "--buildpack: e2e/test@1.0.0 is written for Buildpack API 0.10, which lifecycle 0.21.0 "
        "does not speak"
    )
    assert caught.value.hint == "it speaks: 0.11"


@pytest.mark.parametrize("module_id", ["../../etc", "e2e/other"])
def test_labels_of_a_buildpackage_are_not_believed(
    sources: ModuleSources, mine: Path, tmp_path: Path, module_id: str
) -> None:
    labels = {
        "io.buildpacks.buildpack.layers": json.dumps({module_id: {"..": {}, "1.0.0": {}}}),
        "io.buildpacks.buildpackage.metadata": json.dumps({"id": module_id, "version": "1.0.0"}),
    }
    path = make_buildpackage(tmp_path / "package", mine, labels=labels).path
    with pytest.raises(ImageError, match=r"--buildpack: .*(not the name of|is not a buildpack)"):
        add(sources, path)


def test_an_image_that_is_no_buildpackage_is_told(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    layout = make_buildpackage(
        tmp_path / "p", mine, labels={"io.buildpacks.buildpackage.metadata": ""}
    )
    with pytest.raises(ImageError, match="is not a buildpackage: it has no label"):
        add(sources, layout.path)


def test_a_project_s_layout_may_not_lead_to_other_blobs(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    path = make_buildpackage(tmp_path / "package", mine, platform=AMD64).path
    (path / "blobs").rename(tmp_path / "blobs")
    (path / "blobs").symlink_to(tmp_path / "blobs")
    assert add(sources, path).modules
    with pytest.raises(ImageError, match="links in it lead out of the folder"):
        add_modules(ModuleRequest(order=entries(path, limit=path)), BUILDER, sources, labels={})
