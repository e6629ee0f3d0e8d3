"""Where a lifecycle comes from, and what each source must hold."""

import tarfile
from pathlib import Path

import pytest

from lifecycle.builder import ApiVersions, LifecycleApis
from lifecycle.go_lifecycle import GoLifecycle, build_argv, read_apis
from lifecycle.lifecycle_source import (
    REQUIRED,
    lifecycle_in_archive,
    lifecycle_in_folder,
)
from lifecycle.unpacked import UnpackedFolders
from oci.errors import HostError, ImageError
from oci.platform import Platform
from oci.process import CommandRunner
from tests.support.fake_tools import FakeTools

AMD64 = Platform("linux", "amd64")
DESCRIPTOR = """
[lifecycle]
version = "0.20.1"
[apis.buildpack]
deprecated = ["0.7"]
supported = ["0.7", "0.10"]
[apis.platform]
supported = ["0.12"]
"""
APIS_GO = """
var (
	// Platform is a pair of lists
	Platform = newApisMustParse([]string{"0.7", "0.15"}, []string{})
	Buildpack = newApisMustParse([]string{"0.7", "0.12"}, []string{"0.7"})
)
"""


def make_programs(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
    return folder


def test_a_release_with_a_program_for_each_phase(tmp_path: Path) -> None:
    make_programs(tmp_path / "lifecycle", *REQUIRED, "creator")
    (tmp_path / "lifecycle.toml").write_text(DESCRIPTOR)
    found = lifecycle_in_folder(tmp_path)
    assert found.version == "0.20.1"
    assert found.links == {}
    assert found.apis.buildpack.all == ("0.7", "0.10")
    assert found.folder == tmp_path / "lifecycle"


def test_one_program_for_all_phases_gets_links(tmp_path: Path) -> None:
    folder = make_programs(tmp_path / "bin", "lifecycle", "launcher")
    (folder / "lifecycle.toml").write_text(DESCRIPTOR)
    assert sorted(lifecycle_in_folder(folder).links) == [
        "analyzer", "builder", "creator", "detector", "exporter", "extender", "rebaser", "restorer",
    ]  # fmt: skip


def test_an_archive_of_a_release(tmp_path: Path) -> None:
    make_programs(tmp_path / "release/lifecycle", "lifecycle", "launcher")
    (tmp_path / "release/lifecycle.toml").write_text(DESCRIPTOR)
    with tarfile.open(tmp_path / "lifecycle.tgz", "w:gz") as archive:
        archive.add(tmp_path / "release", arcname=".")
    unpacked = UnpackedFolders(tmp_path / "unpacked")
    found = lifecycle_in_archive(tmp_path / "lifecycle.tgz", unpacked=unpacked)
    assert found.version == "0.20.1"


def test_the_old_descriptor_gives_single_versions(tmp_path: Path) -> None:
    make_programs(tmp_path / "lifecycle", *REQUIRED)
    (tmp_path / "lifecycle.toml").write_text(
        '[lifecycle]\nversion = "0.9.0"\n[api]\nbuildpack = "0.2"\nplatform = "0.3"\n'
    )
    assert lifecycle_in_folder(tmp_path).apis == LifecycleApis(
        buildpack=ApiVersions(supported=("0.2",)), platform=ApiVersions(supported=("0.3",))
    )


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = make_programs(tmp_path / "x", "analyzer")
    with pytest.raises(ImageError, match=r"is not a lifecycle: it has no lifecycle\.toml"):
        lifecycle_in_folder(folder)
    (folder / "lifecycle.toml").write_text(DESCRIPTOR)
    with pytest.raises(ImageError, match="lacks detector, restorer, builder, exporter, launcher"):
        lifecycle_in_folder(folder)


def test_the_apis_are_read_from_the_sources(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/apis.go").write_text(APIS_GO)
    assert read_apis(tmp_path) == LifecycleApis(
        buildpack=ApiVersions(deprecated=("0.7",), supported=("0.7", "0.12")),
        platform=ApiVersions(deprecated=(), supported=("0.7", "0.15")),
    )
    (tmp_path / "api/apis.go").write_text("package api")
    with pytest.raises(ImageError, match="does not list the APIs"):
        read_apis(tmp_path)


def test_the_build_leaves_no_trace_of_the_host(tmp_path: Path) -> None:
    assert build_argv("go", version="0.21.14", output=Path("/out")) == (
        "go", "build",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        "-s -w -buildid= -X github.com/buildpacks/lifecycle/cmd.Version=0.21.14"
        " -X github.com/buildpacks/lifecycle/cmd.SCMRepository=github.com/buildpacks/lifecycle",
        "-o", "/out/",
        "github.com/buildpacks/lifecycle/cmd/lifecycle",
        "github.com/buildpacks/lifecycle/cmd/launcher",
    )  # fmt: skip


# A `go` that answers as the real one does, and "builds" two files.
FAKE_GO = """
case "$1 $2" in
"env GOVERSION") echo go{version} ;;
"mod download") ;;
"list -mod=readonly") echo '{{"Version": "v0.21.14", "Dir": "{source}"}}' ;;
"build -mod=readonly")
    while [ "$1" != -o ]; do shift; done
    touch "$2/lifecycle" "$2/launcher"
    echo "$GOTOOLCHAIN $CGO_ENABLED [$GOFLAGS] $GOARCH" >>"{source}/builds" ;;
*) exit 9 ;;
esac
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module x\n\ngo 1.26.5\n")
    (folder / "go.sum").write_text("")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "api").mkdir(parents=True)
    (folder / "api/apis.go").write_text(APIS_GO)
    return folder


@pytest.mark.parametrize(
    ("version", "toolchain"), [("1.26.8", "local"), ("1.26.5", "local"), ("1.24.1", "auto")]
)
def test_the_module_is_built_once(
    tmp_path: Path,
    module: Path,
    source: Path,
    fake_tools: FakeTools,
    version: str,
    toolchain: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    fake_tools.install("go", script=FAKE_GO.format(version=version, source=source))
    GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)
    lifecycle = GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)
    assert lifecycle.version == "0.21.14"
    assert lifecycle.apis.platform.all == ("0.7", "0.15")
    assert (source / "builds").read_text() == f"{toolchain} 0 [] amd64\n"


def test_what_lies_beside_go_mod_is_used(
    tmp_path: Path, module: Path, source: Path, fake_tools: FakeTools
) -> None:
    (module / "lifecycle.toml").write_text(DESCRIPTOR.replace("0.20.1", "0.21.14"))
    (module / "sbom").mkdir()
    script = FAKE_GO.format(version="1.27", source=source)
    script = script.replace(
        "*) exit 9", '"run -mod=readonly") touch "$4.sbom.cdx.json" ;;\n*) exit 9'
    )
    fake_tools.install("go", script=script)
    lifecycle = GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)
    assert lifecycle.apis.platform.all == ("0.12",)
    assert (lifecycle.folder / "lifecycle.sbom.cdx.json").is_file()

    (module / "lifecycle.toml").write_text(DESCRIPTOR)
    with pytest.raises(ImageError, match=r"the version is 0\.20\.1, go\.mod requires 0\.21\.14"):
        GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)


def test_a_go_that_cannot_fetch_its_successor_is_too_old(
    tmp_path: Path, module: Path, source: Path, fake_tools: FakeTools
) -> None:
    fake_tools.install("go", script=FAKE_GO.format(version="1.19.8", source=source))
    with pytest.raises(HostError, match=r"go 1\.19\.8 is too old .* needs 1\.26\.5") as caught:
        GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)
    assert "1.21" in caught.value.hint


def test_a_failed_build_tells_what_go_said_and_leaves_nothing(
    tmp_path: Path, module: Path, fake_tools: FakeTools
) -> None:
    script = 'case "$1" in env) echo go1.27 ;; *) echo "dial tcp: i/o timeout" >&2; exit 1 ;; esac'
    fake_tools.install("go", script=script)
    with pytest.raises(HostError, match="go could not build the lifecycle") as caught:
        GoLifecycle(CommandRunner(), module, cache=tmp_path / "cache").build(AMD64)
    assert caught.value.details == ("dial tcp: i/o timeout",)
    assert "GOPROXY" in caught.value.hint
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_folder_that_is_no_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"go\.mod: No such file"):
        GoLifecycle(CommandRunner(), tmp_path, cache=tmp_path / "cache").build(AMD64)
