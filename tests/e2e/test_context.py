"""What of the source a buildpack sees: patterns, ignore files, archives, services' folders."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import BUILDER, Installation, layer_bytes

FILES = {
    "index.html": "hello\n",
    "docs/guide/page.md": "x\n",
    "docs/keep.md": "x\n",
    "web/app.log": "x\n",
    "web/dist/app.js": "x\n",
    "web/.gitignore": "dist/\n!app.log\n",
    "a.log": "x\n",
    "node_modules/thing/index.js": "x\n",
    ".gitignore": "*.log\n/docs/\n",
    ".dockerignore": "**/*.log\ndocs\n!docs/keep.md\nweb\n",
}
LISTS = 'find . -mindepth 1 -printf "SEES %P%y\\n"'


@pytest.fixture
def app(make: AppMaker) -> Path:
    return make(files=FILES)


@pytest.fixture
def lister(tmp_path: Path) -> BuildpackFolder:
    """A buildpack that tells what it sees, when it detects and when it builds."""
    return BuildpackFolder.make(
        tmp_path / "lister", detect=f"{LISTS}\nexit 0", build=f"{LISTS}\n{BUILDS}"
    )


def seen(output: str, phase: str) -> set[str]:
    """The paths that the buildpack told in a phase; folders end in `/`."""
    found = set()
    for line in output.splitlines():
        event = json.loads(line)
        if event["event"] == "line" and event["phase"] == phase:
            _, mark, path = event["text"].partition("SEES ")
            if mark:
                found.add(path[:-1] + ("/" if path.endswith("d") else ""))
    return found


ALL = {
    "index.html", "docs/", "docs/guide/", "docs/guide/page.md", "docs/keep.md", "web/",
    "web/app.log", "web/dist/", "web/dist/app.js", "web/.gitignore", "a.log", ".gitignore",
    ".dockerignore",
}  # fmt: skip
WHOLE_DOCS = {"docs/", "docs/guide/", "docs/guide/page.md", "docs/keep.md"}
WHOLE_WEB = {"web/", "web/app.log", "web/dist/", "web/dist/app.js", "web/.gitignore"}
MODULES = {"node_modules/", "node_modules/thing/", "node_modules/thing/index.js"}


@pytest.mark.parametrize(
    ("files", "flags", "expected"),
    [
        ({}, (), ALL),
        (
            {"project.toml": '[io.buildpacks]\nexclude = ["/docs", "*.log"]\n'},
            (),
            (ALL | MODULES | {"project.toml"}) - WHOLE_DOCS - {"a.log", "web/app.log"},
        ),
        (
            {"project.toml": '[io.buildpacks]\ninclude = ["index.html", "docs/keep.md"]\n'},
            (),
            {"index.html", "docs/", "docs/keep.md"},
        ),
        ({".cnbignore": "*\n!/index.html\n"}, (), {"index.html"}),
        (
            {},
            ("--ignore-file", ".gitignore"),
            ALL - WHOLE_DOCS - {"a.log", "web/dist/", "web/dist/app.js"},
        ),
        (
            {},
            ("--ignore-file", ".dockerignore"),
            (ALL - WHOLE_DOCS - WHOLE_WEB - {"a.log"}) | {"docs/", "docs/keep.md"},
        ),
        (
            {"locald.toml": '[service.web.build]\nexclude = []\nignore_files = ".gitignore"\n'},
            (),
            (ALL | MODULES | {"locald.toml"})
            - WHOLE_DOCS
            - {"a.log", "web/dist/", "web/dist/app.js"},
        ),
    ],
    ids=["default", "exclude", "include", "cnbignore", "gitignore", "dockerignore", "key"],
)
def test_what_is_excluded_is_gone_and_what_is_shown_is_there(
    installation: Installation,
    app: Path,
    lister: BuildpackFolder,
    files: Mapping[str, str],
    flags: tuple[str, ...],
    expected: set[str],
) -> None:
    for name, text in files.items():
        (app / name).write_text(text)
    expected |= {name for name in files if name == ".cnbignore" and name in expected}
    words = tuple(str(app / word) if word.startswith(".") else word for word in flags)
    result = installation.build(app, *words, "--progress", "json", buildpack=lister)
    for phase in ("detect", "build"):
        assert seen(result.stderr, phase) == expected, phase
    shown = installation.build(app, *words, "--show-context", "--progress", "json", "-v")
    document = json.loads(shown.stdout)
    assert {one["path"] for one in document["entries"]} == {
        path for path in expected if not path.endswith("/")
    }
    gone = tuple(one["path"] for one in document["excluded"])
    assert not [path for path in expected if path.startswith(gone)] or not gone
    assert all(one["why"] for one in document["excluded"])


def test_the_context_is_shown_without_a_builder_or_an_image(
    installation: Installation, app: Path
) -> None:
    builder = "registry.invalid/no/such/builder"
    result = installation.build(app, "--show-context", "--builder", builder)
    assert "content  9 files" in result.stdout
    assert "  node_modules/  default: node_modules" in result.stdout.splitlines()
    assert installation.image(app) is None
    assert not result.stderr


def test_each_service_builds_its_own_folder(
    installation: Installation, make: AppMaker, lister: BuildpackFolder
) -> None:
    app = make(files={"services/api/index.html": "api\n", "services/web/index.html": "web\n"})
    (app / "services/web/.cnbignore").write_text("*.tmp\n")
    (app / "services/web/x.tmp").touch()
    (app / "locald.toml").write_text(
        "".join(
            f'[service.{name}]\npath = "services/{name}"\n[service.{name}.build]\n'
            f'tags = ["{installation.prefix}/{app.name}-{name}"]\noutput = "oci:out:{name}"\n'
            for name in ("api", "web")
        )
    )
    arguments = ("build", str(app), "--builder", BUILDER, "--progress", "json")
    for name, expected in (
        ("api", {"index.html"}),
        ("web", {"index.html", ".cnbignore"}),
    ):
        result = installation.locald.run(
            *arguments, "--service", name, "--buildpack", str(lister.path)
        )
        assert result.code == 0, result.output
        assert seen(result.stderr, "build") == expected
    result = installation.locald.run("build", str(app), "--show-context")
    assert "service  api" in result.stdout
    assert "service  web" in result.stdout


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_an_archive_gives_the_image_of_its_folder(
    installation: Installation, make: AppMaker, tmp_path: Path, form: str
) -> None:
    app = make(files={**FILES, "project.toml": '[io.buildpacks]\nexclude = ["docs"]\n'})
    (app / "run").write_text("#!/bin/sh\n")
    (app / "run").chmod(0o755)
    folder = installation.build(app)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), form, app))
    name = installation.name(app)
    words = ("--builder", BUILDER, "--tag", name, "--output", f"oci:{tmp_path / 'out'}")
    first = installation.locald.run("build", str(archive), *words)
    assert first.code == 0, first.output
    assert first.digest == folder.digest
    again = installation.locald.run("build", "--path", str(archive), *words)
    assert again.digest == folder.digest
    assert not list(installation.paths.work.glob("*/source"))


def test_an_archive_is_no_way_out(installation: Installation, tmp_path: Path) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("../planted", "x")
    result = installation.locald.run("build", str(archive), "--builder", BUILDER)
    assert result.code == 2
    assert "bad.zip: an entry has `..` in its name: '../planted'" in result.stderr
    (tmp_path / "text").write_text("no archive\n")
    result = installation.locald.run("build", str(tmp_path / "text"), "--builder", BUILDER)
    assert result.code == 2
    assert "not a tar archive" in result.stderr
    assert "Traceback" not in result.stderr


def test_messages_name_the_archive_and_not_our_folder(
    installation: Installation, tmp_path: Path
) -> None:
    archive = tmp_path / "shop.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("shop-main/index.html", "x")
    result = installation.locald.run("build", str(archive), "--show-context")
    assert f"source   {archive}" in result.stdout
    assert "all of the archive is in its folder shop-main" in result.stderr
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("locald.toml", "[project]\nname = 1\n")
    result = installation.locald.run("build", str(archive))
    assert result.code == 2
    assert f"error: {archive}/locald.toml: project.name: expected text" in result.stderr


DESCRIPTOR = """
[_]
schema-version = "0.3"
id = "com.example.shop"
name = "The Shop"
version = "1.4"
authors = ["Ada", "Bob"]
source-url = "https://user:a-password@example.com/shop"
[[_.licenses]]
type = "MIT"
[_.metadata]
since = 2020-01-02
[io.buildpacks]
exclude = ["docs"]
[[io.buildpacks.group]]
uri = "./lister"
[[io.buildpacks.group]]
uri = "./not-there"
exec-env = ["test"]
[[io.buildpacks.build.env]]
name = "WHERE"
value = "everywhere"
[[io.buildpacks.build.env]]
name = "WHERE"
value = "in tests"
exec-env = ["test"]
"""


def test_a_descriptor_from_elsewhere(
    installation: Installation, app: Path, lister: BuildpackFolder
) -> None:
    file = lister.path.parent / "descriptor.toml"
    file.write_text(DESCRIPTOR)
    result = installation.build(app, "--descriptor", file, "--progress", "json")
    assert seen(result.stderr, "build") == (ALL | MODULES) - WHOLE_DOCS
    image = installation.image(app)
    assert image is not None
    labels = image.config.labels
    assert labels["org.opencontainers.image.title"] == "The Shop"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    source = json.loads(labels["io.buildpacks.project.metadata"])["source"]
    assert source["type"] == "project"
    assert source["version"] == {"declared": "1.4"}
    project = source["metadata"]["project"]
    assert project["authors"] == ["Ada", "Bob"]
    assert project["licenses"] == [{"type": "MIT"}]
    assert project["metadata"]["since"].startswith("2020-01-02")
    assert project["source-url"] == "https://example.com/shop"
    content = image.config_bytes + layer_bytes(image, installation.layout(app))
    assert b"a-password" not in content


def test_filters_by_execution_environment(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    BuildpackFolder.make(tmp_path / "lister", build=f'echo "WHERE=$WHERE"\n{BUILDS}')
    file = tmp_path / "descriptor.toml"
    file.write_text(DESCRIPTOR)
    result = installation.build(app, "-d", file)
    assert "WHERE=everywhere" in result.stderr
    refused = installation.try_build(app, "-d", file, "--exec-env", "test")
    assert refused.code == 2
    assert "io.buildpacks.group[1].uri: " in refused.stderr
    BuildpackFolder.make(tmp_path / "not-there", id="e2e/other", build="true")
    result = installation.build(app, "-d", file, "--exec-env", "test")
    assert "WHERE=in tests" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--path", "."), "--path: the source is given twice"),
        (("--descriptor", "gone.toml"), "--descriptor: gone.toml: no such file"),
        (("--ignore-file", "gone"), "--ignore-file: gone: no such file"),
    ],
)
def test_bad_flags(
    installation: Installation, app: Path, words: tuple[str, ...], message: str
) -> None:
    result = installation.try_build(app, *words)
    assert result.code == 2
    assert f"error: {message}" in result.stderr
