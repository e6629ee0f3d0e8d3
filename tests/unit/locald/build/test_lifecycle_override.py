"""Another lifecycle than the builder's: what it changes about the build."""

from dataclasses import replace
from pathlib import Path

import pytest

from lifecycle.builder import BuilderImage
from locald.build.lifecycle_override import override_lifecycle
from locald.build.module_sources import ModuleSources
from locald.cli.console import Console, Verbosity
from locald.config.module_source import parse_lifecycle
from locald.config.modules import LifecycleEntry
from locald.config.pull_policy import PullPolicy
from locald.paths import Paths
from oci.errors import ImageError
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.buildpackage import make_tgz
from tests.support.web_files import Answer, serve_files

BUILDER = BuilderImage(
    uid=1000,
    gid=1000,
    env={},
    platform_apis=("0.12",),
    lifecycle_version="0.21.0",
    run_images=(),
    buildpacks=(),
    order=(),
    stack_id="",
    distro="",
    description="",
    buildpack_apis=("0.9", "0.10"),
)


@pytest.fixture
def sources(tmp_path: Path) -> ModuleSources:
    paths = Paths.from_environment(
        {"LOCALD_DATA_DIR": str(tmp_path / "data"), "LOCALD_CACHE_DIR": str(tmp_path / "cache")}
    )
    return ModuleSources(
        store=ImageStore(paths.store, Skopeo(CommandRunner())),
        paths=paths,
        platform=Platform("linux", "amd64"),
        policy=PullPolicy.IF_NOT_PRESENT,
        observer=Console(verbosity=Verbosity.QUIET),
    )


def test_a_lifecycle_decides_which_apis_are_spoken(sources: ModuleSources, tmp_path: Path) -> None:
    folder = tmp_path / "lifecycle"
    folder.mkdir()
    for name in ("analyzer", "detector", "restorer", "builder", "exporter", "launcher"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    assert override_lifecycle(None, BUILDER, sources).builder == BUILDER
    entry = LifecycleEntry(
        source=parse_lifecycle(str(folder), relative_to=Path("/")), origin="--lifecycle"
    )
    with pytest.raises(ImageError, match=r"--lifecycle: .* it has no lifecycle\.toml"):
        override_lifecycle(entry, BUILDER, sources)
    (folder / "lifecycle.toml").write_text(
        '[lifecycle]\nversion = "9.9.9"\n'
        '[apis.buildpack]\nsupported = ["0.11"]\n[apis.platform]\nsupported = ["0.14"]\n'
    )
    found = override_lifecycle(entry, BUILDER, sources)
    assert found.folder == folder
    assert found.origin == f"--lifecycle {folder}"
    assert found.builder == replace(
        BUILDER, lifecycle_version="9.9.9", platform_apis=("0.14",), buildpack_apis=("0.11",)
    )
    (folder / "exporter").unlink()
    with pytest.raises(ImageError, match=r"--lifecycle: .* is not a lifecycle: it lacks exporter"):
        override_lifecycle(entry, BUILDER, sources)


def test_a_release_at_an_address(
    sources: ModuleSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    release = tmp_path / "release"
    (release / "lifecycle").mkdir(parents=True)
    for name in ("lifecycle", "launcher"):
        (release / "lifecycle" / name).write_text("#!/bin/sh\n")
        (release / "lifecycle" / name).chmod(0o755)
    (release / "lifecycle.toml").write_text(
        '[lifecycle]\nversion = "9.9.9"\n'
        '[apis.buildpack]\nsupported = ["0.11"]\n[apis.platform]\nsupported = ["0.14"]\n'
    )
    archive = make_tgz(release, tmp_path / "lifecycle.tgz")
    with serve_files() as server:
        server.files["/lifecycle.tgz"] = Answer(archive.read_bytes())
        source = parse_lifecycle(server.url("/lifecycle.tgz"), relative_to=Path("/"))
        entry = LifecycleEntry(source=source, origin="--lifecycle")
        found = override_lifecycle(entry, BUILDER, sources)
    assert found.builder.lifecycle_version == "9.9.9"
    assert found.folder is not None
    assert (found.folder / "exporter").readlink() == Path("lifecycle")
