"""Another lifecycle than the builder's, and builders with system buildpacks."""

import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from lifecycle.builder import LIFECYCLE_APIS_LABEL, LIFECYCLE_VERSION_LABEL
from oci.layout import Layout
from oci.process import CommandRunner
from oci.scratch import remove
from tests.e2e.conftest import AppMaker
from tests.support.buildpackage import make_tgz
from tests.support.cli import Finished
from tests.support.e2e import BUILDER, Installation
from tests.support.images import make_image
from tests.support.rootfs import make_rootfs

# As the program is told apart by its name, the wrapper has to keep it.
WRAPPER = """\
#!/bin/bash
echo "==> a lifecycle of a test"
exec -a detector /cnb/lifecycle/lifecycle "$@"
"""
MARK = "==> a lifecycle of a test"
SYSTEM_BUILDER = """
[[buildpacks]]
uri = "./one"
[[buildpacks]]
uri = "./always"
[[buildpacks]]
uri = "./last"

[[order]]
group = [{ id = "acme/one" }]

[system.pre]
buildpacks = [{ id = "acme/always" }]
[system.post]
buildpacks = [{ id = "acme/last" }]

[lifecycle]
uri = "LIFECYCLE"

[[run.images]]
image = "localhost/locald/run:embedded"

[build]
image = "rootfs.tar"
"""


@pytest.fixture(scope="module")
def real_lifecycle(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded builder's lifecycle as `go build` leaves it: two programs, no links."""
    folder = tmp_path_factory.mktemp("lifecycle")
    app = tmp_path_factory.mktemp("app")
    (app / "index.html").write_text("hello")
    installation.build(app)  # unpacks the builder
    digest = installation.layout_of(BUILDER).read().digest
    (found, *_) = (installation.paths.store / "rootfs").glob(f"{digest.hex}-*/rootfs/cnb/lifecycle")
    for file in found.iterdir():
        if not file.is_symlink():
            shutil.copyfile(file, folder / file.name)
            shutil.copymode(file, folder / file.name)
    return folder


@pytest.fixture(scope="module")
def marked(real_lifecycle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole lifecycle whose detector tells that it is this one."""
    folder = tmp_path_factory.mktemp("marked") / "lifecycle"
    shutil.copytree(real_lifecycle, folder)
    for name in ("analyzer", "restorer", "builder", "creator", "exporter", "extender", "rebaser"):
        (folder / name).symlink_to("lifecycle")
    (folder / "detector").write_text(WRAPPER)
    (folder / "detector").chmod(0o755)
    return folder


def test_a_folder_as_the_compiler_leaves_it(
    installation: Installation, app: Path, real_lifecycle: Path
) -> None:
    result = installation.build(app, "--lifecycle", real_lifecycle, "-v")
    assert f"from {real_lifecycle}" in result.stderr
    assert not (real_lifecycle / "detector").exists()
    again = installation.build(app, "--lifecycle", real_lifecycle)
    assert again.digest == result.digest


def test_a_folder_an_archive_and_an_image(
    installation: Installation, app: Path, marked: Path, tmp_path: Path
) -> None:
    own = tmp_path / "lifecycle"
    shutil.copytree(marked, own, symlinks=True)
    (own / "lifecycle.toml").write_text(
        '[lifecycle]\nversion = "9.9.9"\n[apis.buildpack]\nsupported = ["0.10"]\n'
        '[apis.platform]\nsupported = ["0.12"]\n'
    )
    result = installation.build(app, "--lifecycle", own, "-v")
    assert MARK in result.output
    assert "lifecycle 9.9.9" in result.stderr
    assert "Platform API 0.12" in result.stderr

    archive = make_tgz(marked, tmp_path / "lifecycle.tgz", prefix="lifecycle")
    assert MARK in installation.build(app, "--lifecycle", archive, "-v").output
    image = lifecycle_image(tmp_path / "image", marked)
    assert MARK in installation.build(app, "--lifecycle", f"oci:{image.path}", "-v").output
    assert MARK not in installation.build(app, "-v").output


def lifecycle_image(path: Path, folder: Path) -> Layout:
    """As buildpacksio/lifecycle has it: labels, and the programs below /cnb/lifecycle."""
    layer = path.with_suffix(".tar")
    with tarfile.open(layer, "w") as tar:
        for file in sorted(folder.iterdir()):
            if file.name != "lifecycle.toml":
                tar.add(file, arcname=f"cnb/lifecycle/{file.name}")
    apis = {"buildpack": {"supported": ["0.10"]}, "platform": {"supported": ["0.15"]}}
    labels = {LIFECYCLE_APIS_LABEL: json.dumps(apis), LIFECYCLE_VERSION_LABEL: "0.21.14"}
    return make_image(path, layers=[layer.read_bytes()], labels=labels)


def test_what_is_no_lifecycle_for_this_build_is_refused(
    installation: Installation, app: Path, real_lifecycle: Path, tmp_path: Path
) -> None:
    other = tmp_path / "lifecycle"
    shutil.copytree(real_lifecycle, other)
    program = bytearray((other / "lifecycle").read_bytes()[:64])
    program[18:20] = (0x16).to_bytes(2, "big" if program[5] == 2 else "little")
    (other / "lifecycle").write_bytes(program)
    foreign = installation.try_build(app, "--lifecycle", other)
    assert foreign.code == 4
    assert "--lifecycle: " in foreign.stderr
    assert "lifecycle is made for s390x, not for linux/" in foreign.stderr
    (other / "launcher").unlink()
    cases: tuple[tuple[str | Path, str], ...] = (
        (other, "is not a lifecycle: it lacks launcher"),
        (app, "is not a lifecycle: it has no lifecycle.toml"),
        (app / "index.html", "index.html is not a tar archive, or damaged"),
        ("./nowhere", "no such file or folder: ./nowhere"),
    )
    for text, message in cases:
        result = installation.try_build(app, "--lifecycle", text)
        assert result.code in (2, 4)
        assert "--lifecycle: " in result.stderr
        assert message in result.stderr


def test_system_buildpacks_take_part_unless_they_are_disabled(
    installation: Installation, make: AppMaker, real_lifecycle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    for name in ("one", "always", "last"):
        (config / name / "bin").mkdir(parents=True)
        (config / name / "buildpack.toml").write_text(
            f'api = "0.10"\n[buildpack]\nid = "acme/{name}"\nversion = "1.0.0"\n'
        )
        for program, text in (("detect", "exit 0"), ("build", f'echo "==> {name}"')):
            (config / name / "bin" / program).write_text(f"#!/bin/sh\n{text}\n")
            (config / name / "bin" / program).chmod(0o755)
    make_rootfs(tmp_path / "rootfs")
    with tarfile.open(config / "rootfs.tar", "w") as archive:
        archive.add(tmp_path / "rootfs", arcname=".")
    (config / "builder.toml").write_text(SYSTEM_BUILDER.replace("LIFECYCLE", str(real_lifecycle)))
    builder = f"localhost/{installation.prefix}/system-builder:1"
    toml = str(config / "builder.toml")
    created = installation.locald.run("builder", "create", builder, "--config", toml)
    assert created.code == 0, created.output

    app = make("system", {"a": "a"})
    result = installation.build(app, "--builder", builder)
    assert spoken(result) == ["always", "one", "last"]
    own = installation.build(app, "--builder", builder, "-b", "acme/one")
    assert spoken(own) == ["always", "one", "last"]
    disabled = installation.build(app, "--builder", builder, "--disable-system-buildpacks")
    assert spoken(disabled) == ["one"]
    (app / "locald.toml").write_text("[service.web.build]\ndisable_system_buildpacks = true\n")
    disabled = installation.build(app, "--builder", builder, "-b", "acme/one")
    assert spoken(disabled) == ["one"]
    digest = installation.layout_of(builder).read().digest
    for bundle in (installation.paths.store / "rootfs").glob(f"{digest.hex}-*"):
        remove(bundle, CommandRunner())


def spoken(result: Finished) -> list[str]:
    """What the buildpacks of the test said, in order."""
    return re.findall(r"==> (\w+)", result.output)
