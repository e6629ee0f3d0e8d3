"""Builders made with the real tools, and read by other real tools."""

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifecycle.embedded_builder import embedded_builder
from lifecycle.go_lifecycle import GoLifecycle
from locald.build.builder_create import EMBEDDED_NAME, BuilderRequest, create_builder
from locald.build.builder_sources import BuilderTools
from locald.paths import Paths
from oci.idmap import IdMap, SubordinateIds
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import Command, CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from oci.userns import UserNamespace
from tests.support.rootfs import make_rootfs

RUNNER = CommandRunner()
HOST = Platform.of_host()
NAME = Reference.parse("localhost/test/builder:1")
BUILDER_TOML = """
description = "for a test"

[[buildpacks]]
id = "acme/one"
uri = "./one"

[[buildpacks]]
id = "acme/two"
uri = "./two.tgz"

[[order]]
[[order.group]]
id = "acme/one"
[[order.group]]
id = "acme/two"
version = "2.0.0"
optional = true

[lifecycle]
uri = "{lifecycle}"

[[run.images]]
image = "registry.example/run"

[build]
image = "rootfs.tar"
[[build.env]]
name = "FLAGS"
value = "-x"
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    shared = Paths.from_environment()
    data = tmp_path / "data"
    # The lifecycle takes a minute to build: what an earlier run has built serves this one.
    return replace(shared, data_dir=data, state_dir=data / "state")


@pytest.fixture
def tools(paths: Paths) -> BuilderTools:
    store = ImageStore(paths.ensure(paths.store), Skopeo(RUNNER))
    return BuilderTools(runner=RUNNER, store=store, paths=paths)


def make_buildpack(folder: Path, module_id: str, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "buildpack.toml").write_text(
        f'api = "0.10"\n[buildpack]\nid = "{module_id}"\nversion = "{version}"\n'
    )
    for name in ("detect", "build"):
        (folder / "bin" / name).write_text("#!/bin/sh\n. $CNB_BUILDPACK_DIR/lib.sh\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.fixture
def config(tmp_path: Path, paths: Paths) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "shared.sh").write_text("shared")
    make_buildpack(folder / "one", "acme/one", "1.0.0")
    (folder / "one/lib.sh").symlink_to("../shared.sh")
    two = make_buildpack(folder / "two", "acme/two", "2.0.0")
    with tarfile.open(folder / "two.tgz", "w:gz") as archive:
        archive.add(two, arcname=".")
    shutil.rmtree(two)
    rootfs = make_rootfs(tmp_path / "rootfs")
    with tarfile.open(folder / "rootfs.tar", "w") as archive:
        archive.add(rootfs, arcname=".")
    module = GoLifecycle(
        RUNNER, embedded_builder().lifecycle, cache=paths.ensure(paths.cache_dir / "lifecycle")
    )
    path = folder / "builder.toml"
    path.write_text(BUILDER_TOML.format(lifecycle=module.build(HOST).folder))
    return path


def create(config: Path | None, tools: BuilderTools, *, name: Reference = NAME) -> StoredImage:
    return create_builder(BuilderRequest(name=name, config=config, platform=HOST), tools).stored


def inspect(stored: StoredImage, *options: str) -> Any:
    location = ImageLocation.layout(stored.layout.path, "latest")
    argv = ("skopeo", "inspect", *options, str(location))
    return json.loads(RUNNER.run(Command(argv=argv)).stdout)


def unpack(stored: StoredImage, bundle: Path) -> Path:
    image = f"{stored.layout.path}:latest"
    argv = ("umoci", "unpack", "--rootless", "--image", image, str(bundle))
    RUNNER.run(Command(argv=argv))
    return bundle / "rootfs"


def test_a_builder_is_made_that_skopeo_and_umoci_read(
    config: Path, tools: BuilderTools, tmp_path: Path
) -> None:
    stored = create(config, tools)
    assert inspect(stored)["Digest"] == str(stored.digest)
    container = inspect(stored, "--config")["config"]
    assert container["User"] == "1000:1000"
    metadata = json.loads(container["Labels"]["io.buildpacks.builder.metadata"])
    assert [one["id"] for one in metadata["buildpacks"]] == ["acme/one", "acme/two"]
    assert metadata["lifecycle"]["apis"]["platform"]["supported"][-1] == "0.15"

    rootfs = unpack(stored, tmp_path / "bundle")
    assert (rootfs / "cnb/buildpacks/acme_one/1.0.0/lib.sh").read_text() == "shared"
    assert (rootfs / "cnb/buildpacks/acme_two/2.0.0/bin/build").stat().st_mode & 0o111
    assert (rootfs / "cnb/build-config/env/FLAGS").read_text() == "-x"
    assert (rootfs / "etc/image-file").read_text() == "from the image\n"
    detector = rootfs / "cnb/lifecycle/detector"
    said = RUNNER.run(
        Command(argv=(str(detector), "-version"), env={"CNB_PLATFORM_API": "0.13"})
    ).text
    assert said.strip().endswith(metadata["lifecycle"]["version"])


def test_the_same_content_gives_the_same_digest_elsewhere(
    config: Path, tools: BuilderTools, tmp_path: Path
) -> None:
    first = create(config, tools)
    other = ImageStore(tmp_path / "other-store", Skopeo(RUNNER))
    for path in config.parent.rglob("*"):
        if not path.is_symlink():
            path.touch()
    assert create(config, replace(tools, store=other)).digest == first.digest


def test_nothing_is_made_again_until_something_changes(config: Path, tools: BuilderTools) -> None:
    request = BuilderRequest(name=NAME, config=config, platform=HOST)
    assert create_builder(request, tools).made == (NAME,)
    again = create_builder(request, tools)
    assert again.made == ()
    (config.parent / "shared.sh").write_text("changed")
    changed = create_builder(request, tools)
    assert changed.made == (NAME,)
    assert changed.stored.digest != again.stored.digest
    assert create_builder(replace(request, force=True), tools).stored.digest == (
        changed.stored.digest
    )


def test_the_store_unpacks_what_was_made(config: Path, tools: BuilderTools) -> None:
    stored = create(config, tools)
    ids = SubordinateIds.of_current_user()
    id_map = IdMap(1000, 1000, single=not ids.usable)
    with UserNamespace(RUNNER, ids=ids if ids.usable else None) as namespace:
        rootfs = tools.store.rootfs(stored, id_map, namespace)
        owners = namespace.run("stat", "-c", "%u", str(rootfs / "layers"), str(rootfs / "cnb"))
        assert owners.text.split()[0] == "0"  # the CNB user is us
        namespace.remove_tree(rootfs.parent)


def test_a_run_that_fails_leaves_no_image_and_no_rubbish(config: Path, tools: BuilderTools) -> None:
    (config.parent / "two.tgz").write_bytes(b"no archive")
    with pytest.raises(Exception, match=r"two\.tgz"):
        create(config, tools)
    assert tools.store.find(NAME, HOST) is None
    assert list((tools.store.root / "tmp").iterdir()) == []


def test_the_embedded_builder_is_complete_and_reproducible(tmp_path: Path) -> None:
    """In the user's own store, where `make setup` has made it: its bases take minutes."""
    paths = Paths.from_environment()
    store = ImageStore(paths.ensure(paths.store), Skopeo(RUNNER))
    tools = BuilderTools(runner=RUNNER, store=store, paths=paths)
    first = create_builder(BuilderRequest(name=EMBEDDED_NAME, config=None, platform=HOST), tools)
    again = create_builder(
        BuilderRequest(name=NAME, config=None, platform=HOST, force=False), tools
    )
    assert again.stored.digest == first.stored.digest
    assert again.made in ((), (NAME,))
    builder = first.builder
    assert (builder.uid, builder.gid) == (1000, 1000)
    assert builder.distro == "debian 12"
    assert builder.env["HOME"] == "/home/cnb"
    run = store.find(Reference.parse(builder.run_images[0].image), HOST)
    assert run is not None
    assert run.config.config.user == "1001:1000"
    assert list(run.config.config.environment) == ["PATH"]
    assert run.config.labels["io.buildpacks.base.distro.version"] == "12"
    assert inspect(first.stored)["Digest"] == str(first.stored.digest)
