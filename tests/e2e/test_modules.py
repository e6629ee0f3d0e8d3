"""Buildpacks from everywhere, in every order, with the real lifecycle."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.buildpackage import make_buildpackage, make_cnb_file, make_composite, make_tgz
from tests.support.cli import Finished
from tests.support.e2e import PAGE, Installation
from tests.support.registry import Registry, serve_registry
from tests.support.web_files import Answer, WebFiles, serve_files

STATIC = "-----> Static files"
SAYS = 'echo "==> {name}"\n'


@pytest.fixture
def server() -> Iterator[WebFiles]:
    with serve_files() as files:
        yield files


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("registry") / "of-modules") as running:
        yield running


def speaker(folder: Path, name: str, *, detect: str = "exit 0", id: str = "") -> Path:
    """A buildpack that says its name when it builds."""
    build = SAYS.format(name=name)
    made = BuildpackFolder.make(folder / name, id=id or f"e2e/{name}", detect=detect, build=build)
    return made.path


def said(result: Finished) -> list[str]:
    """Who built, in order: the names of `speaker`s, and `static` of the builder."""
    lines = re.findall(rf"==> (\w+)|({STATIC})", result.output)
    return [name or "static" for name, _ in lines]


def builder_modules(installation: Installation) -> list[str]:
    """What is below /cnb of every unpacked builder."""
    roots = (installation.paths.store / "rootfs").glob("*/rootfs/cnb")
    return sorted(str(p) for root in roots for p in root.glob("*/*/*"))


def test_around_the_builder_s_order_and_nothing_stays(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    first, second, last = (speaker(tmp_path, name) for name in ("first", "second", "last"))
    before = builder_modules(installation)
    result = installation.build(
        app, "--pre-buildpack", first, "--pre-buildpack", second, "--post-buildpack", last
    )
    assert said(result) == ["first", "second", "static", "last"]
    assert said(installation.build(app)) == ["static"]
    assert builder_modules(installation) == before


def test_the_builder_s_order_inside_of_one_s_own(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    first, last = speaker(tmp_path, "first"), speaker(tmp_path, "last")
    result = installation.build(app, "-b", f"{first},from=builder", "-b", last)
    assert said(result) == ["first", "static", "last"]
    result = installation.build(app, "-b", "urn:cnb:builder:locald/static@0.1.0", "-b", last)
    assert said(result) == ["static", "last"]


def test_one_s_own_of_the_same_version_takes_the_builder_s_place(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    mine = speaker(tmp_path, "mine", id="locald/static")
    descriptor = mine / "buildpack.toml"
    descriptor.write_text(descriptor.read_text().replace("1.0.0", "0.1.0"))
    assert said(installation.build(app, "-b", mine, "-b", "from=builder")) == ["mine"]
    assert said(installation.build(app)) == ["static"]


def test_a_composite_from_an_image_a_file_and_an_address(
    installation: Installation, app: Path, tmp_path: Path, server: WebFiles, registry: Registry
) -> None:
    one, two = speaker(tmp_path, "one"), speaker(tmp_path, "two", detect="exit 100")
    order = (["e2e/two@1.0.0"], ["e2e/two@1.0.0?", "e2e/one@1.0.0", "locald/static@0.1.0"])
    composite = make_composite(tmp_path / "all", *order)
    layout = make_buildpackage(tmp_path / "package", composite, one, two)
    expected = ["one", "static"]
    assert said(installation.build(app, "-b", f"oci:{layout.path}")) == expected
    file = make_cnb_file(layout, tmp_path / "all.cnb")
    assert said(installation.build(app, "-b", file)) == expected

    server.files["/all.cnb"] = Answer(file.read_bytes())
    url = server.url("/all.cnb")
    never = ("--pull-policy", "never")
    refused = installation.try_build(app, "-b", url, *never)
    assert refused.code == 4
    assert f"--buildpack: {url} was not downloaded yet" in refused.stderr
    for policy in ((), never):
        assert said(installation.build(app, "-b", url, *policy)) == expected
    assert len(server.requests) == 1

    skopeo = Skopeo(CommandRunner(), registry.registries)
    source = ImageLocation.layout(layout.path)
    skopeo.copy(source, registry.location("team/all:1"), platform=Platform.of_host())
    name = f"{registry.host}/team/all:1"
    always = (*registry.flags, "--pull-policy", "always")
    assert said(installation.build(app, "-b", f"docker://{name}", *always)) == expected
    asked = len(registry.asked())
    assert said(installation.build(app, "-b", name, *never)) == expected
    assert len(registry.asked()) == asked


def test_a_composite_s_folder_with_a_package_toml(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    speaker(tmp_path, "one")
    composite = make_composite(tmp_path / "all", ["e2e/one@1.0.0", "locald/static@0.1.0"])
    (composite / "package.toml").write_text('[[dependencies]]\nuri = "../one"\n')
    assert said(installation.build(app, "-b", composite)) == ["one", "static"]


INLINE = """\
[_]
schema-version = "0.3"

[[io.buildpacks.pre.group]]
id = "me/inline"
[io.buildpacks.pre.group.script]
api = "0.10"
inline = '''
echo "==> inline"
test -f index.html
'''

[[io.buildpacks.pre.group]]
id = "me/bash"
[io.buildpacks.pre.group.script]
api = "0.10"
shell = "/bin/bash -eu"
inline = 'words=(=== bash); echo "==> ${words[1]}"'

[[io.buildpacks.post.group]]
uri = "bp/fits_not"
optional = true

[[io.buildpacks.post.group]]
uri = "bp.tgz"
exec-env = ["test"]
"""


def test_scripts_optional_and_filtered_entries_of_project_toml(
    installation: Installation, make: AppMaker, tmp_path: Path
) -> None:
    app = make("inline", {"index.html": PAGE, "project.toml": INLINE})
    test = BuildpackFolder.make(tmp_path / "t", id="e2e/t", build=SAYS.format(name="tested"))
    make_tgz(test.path, app / "bp.tgz", prefix="t")
    BuildpackFolder.make(
        app / "bp/fits_not", id="e2e/no", detect="exit 100", build=SAYS.format(name="no")
    )
    assert said(installation.build(app)) == ["inline", "bash", "static"]
    assert said(installation.build(app, "--exec-env", "test")) == [
        "inline", "bash", "static", "tested",
    ]  # fmt: skip
    result = installation.build(app, "-b", "locald/static", "--pre-buildpack", test.path)
    assert said(result) == ["static"]
    assert "--pre-buildpack has no effect: --buildpack says the whole order" in result.stderr


def test_locald_toml_wins_over_project_toml(
    installation: Installation, make: AppMaker, tmp_path: Path
) -> None:
    files = {
        "index.html": PAGE,
        "project.toml": INLINE,
        "locald.toml": '[service.web.build]\npre = []\npost = ["bp"]\n',
    }
    app = make("both", files)
    BuildpackFolder.make(app / "bp", id="e2e/bp", build=SAYS.format(name="bp"))
    assert said(installation.build(app)) == ["static", "bp"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('os = "linux"', 'os = "linux"\narch = "s390x"'), "e2e/bad@1.0.0 is made for linux/s390x"),
        (('api = "0.10"', 'api = "0.1"'), "is written for Buildpack API 0.1, which lifecycle"),
        (('id = "e2e/bad"', "id = 3"), "buildpack.toml: buildpack.id: expected `str`, got `int`"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(
    installation: Installation, app: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    folder = speaker(tmp_path, "bad")
    descriptor = folder / "buildpack.toml"
    descriptor.write_text(descriptor.read_text().replace(*change))
    result = installation.try_build(app, "-b", folder)
    assert result.code == 4
    assert "--buildpack: " in result.stderr
    assert message in result.stderr
    assert "detect" not in result.stderr
