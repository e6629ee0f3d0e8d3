"""buildah's commands, and what of its output is passed on."""

import shlex
import shutil
from pathlib import Path

import pytest

from oci.buildah import (
    Buildah,
    BuildahFolder,
    DockerfileBuild,
    build_argv,
    container_runtime,
    inspect_argv,
    load_argv,
    push_argv,
)
from oci.errors import CommandError, HostError, ImageError, StorageError
from oci.process import CommandRunner, Stream
from oci.userns import UserNamespace
from tests.support.fake_tools import FakeTools

FOLDER = BuildahFolder(path=Path("/f"))
STORAGE = (
    "buildah", "--root", "/f/root", "--runroot", "/f/run",
    "--storage-driver", "overlay",
    "--default-mounts-file", "/f/mounts.conf",
)  # fmt: skip
BUILD = DockerfileBuild(
    dockerfile=Path("/d/Dockerfile"),
    context=Path("/c"),
    name="localhost/x:1",
    runtime="/usr/sbin/runc",
    network=True,
    created=7,
    arguments={"a": "b c"},
)


def test_a_build() -> None:
    assert build_argv(FOLDER, BUILD) == (
        *STORAGE,
        "build",
        "--signature-policy", "/f/policy.json",
        "--isolation", "oci",
        "--runtime", "/usr/sbin/runc",
        "--pull-never",
        "--no-cache",
        "--layers=false",
        "--identity-label=false",
        "--timestamp", "7",
        "--network", "host",
        "--build-arg", "a=b c",
        "--ignorefile", "/f/mounts.conf",
        "--file", "/d/Dockerfile",
        "--tag", "localhost/x:1",
        "/c",
    )  # fmt: skip


def test_a_layout_is_loaded_by_the_driver_that_works() -> None:
    words = ("skopeo", "--policy", "/f/policy.json", "copy", "--quiet", "oci:/l:latest")
    assert load_argv(FOLDER, Path("/l"), "localhost/b:1") == (
        *words,
        "containers-storage:[overlay@/f/root+/f/run]localhost/b:1",
    )
    fuse = BuildahFolder(
        path=Path("/f"),
        driver=("--storage-driver", "overlay", "--storage-opt", "overlay.mount_program=/fuse"),
    )
    assert load_argv(fuse, Path("/l"), "localhost/b:1")[-1] == (
        "containers-storage:[overlay@/f/root+/f/run:overlay.mount_program=/fuse]localhost/b:1"
    )


def test_the_other_commands() -> None:
    assert inspect_argv(FOLDER, "x") == (*STORAGE, "inspect", "--type", "image", "x")
    assert push_argv(FOLDER, "x", Path("/o")) == (
        *STORAGE,
        "push",
        "--signature-policy", "/f/policy.json",
        "--format", "oci",
        "--quiet",
        "x",
        "oci:/o:latest",
    )  # fmt: skip


def test_nothing_of_the_users_is_seen() -> None:
    environment = FOLDER.environment(1000)
    for name in ("HOME", "TMPDIR", "DOCKER_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        assert environment[name] == "/f/tmp"
    for name in ("REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        assert environment[name].startswith("/f/")


def test_without_a_runtime(fake_tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oci.host_tools._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(fake_tools.bin))
    with pytest.raises(HostError, match="`runc` is not installed"):
        container_runtime()
    crun = fake_tools.install("crun")
    assert container_runtime() == str(crun.path)


class Here(UserNamespace):
    """No namespace at all: commands run as they are."""

    def argv(self, *inner: str) -> tuple[str, ...]:
        return inner

    def remove_tree(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)


def buildah_with(fake_tools: FakeTools, folder: Path, script: str) -> Buildah:
    fake_tools.install("buildah", script=script)
    runner = CommandRunner()
    return Buildah(runner, Here(runner, ids=None), folder)


def built(buildah: Buildah) -> list[str]:
    lines: list[str] = []

    def receive(_: Stream, text: str) -> None:
        lines.append(text)

    buildah.build(BUILD, on_line=receive, env={"http_proxy": "http://proxy.example"})
    return lines


def test_only_the_dockerfile_s_own_lines_are_passed_on(
    fake_tools: FakeTools, tmp_path: Path
) -> None:
    output = ["STEP 1/3: FROM x", "Copying blob", "STEP 2/3: RUN y", "said", "COMMIT z", "--> 1"]
    buildah = buildah_with(fake_tools, tmp_path, f"printf '%s\\n' {shlex.join(output)}")
    assert built(buildah) == ["STEP 2/3: RUN y", "said"]


def test_the_proxy_is_handed_on_and_the_user_s_files_are_not(
    fake_tools: FakeTools, tmp_path: Path
) -> None:
    tool = fake_tools.install("buildah")
    runner = CommandRunner()
    built(Buildah(runner, Here(runner, ids=None), tmp_path))
    call = tool.calls[-1]
    assert call.environment["http_proxy"] == "http://proxy.example"
    assert call.environment["HOME"] == str(tmp_path / "tmp")


def test_a_host_without_native_overlays(fake_tools: FakeTools, tmp_path: Path) -> None:
    script = 'case "$*" in *"driver overlay"*) echo no overlay >&2; exit 1;; esac; echo "$*"'
    buildah = buildah_with(fake_tools, tmp_path, script)
    assert "--storage-driver vfs" in built(buildah)[0]


def test_a_host_without_any_storage_driver(fake_tools: FakeTools, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="buildah cannot keep images on this host") as caught:
        buildah_with(fake_tools, tmp_path, "echo no such driver >&2; exit 1")
    assert "no such driver" in caught.value.details


@pytest.mark.parametrize(
    ("words", "kind"),
    [("write: no space left on device", StorageError), ("exit status 7", CommandError)],
)
def test_a_failure(
    fake_tools: FakeTools, tmp_path: Path, words: str, kind: type[Exception]
) -> None:
    script = f'case "$*" in *images*) ;; *) echo "Error: {words}" >&2; exit 1;; esac'
    buildah = buildah_with(fake_tools, tmp_path, script)
    with pytest.raises(kind):
        built(buildah)


def test_what_a_built_image_is(fake_tools: FakeTools, tmp_path: Path) -> None:
    told = '{"Type": "x", "OCIv1": {"os": "linux", "config": {"User": "5"}}}'
    buildah = buildah_with(fake_tools, tmp_path, f"echo '{told}'")
    assert buildah.image("x").config.user == "5"


def test_what_a_built_image_cannot_be(fake_tools: FakeTools, tmp_path: Path) -> None:
    buildah = buildah_with(fake_tools, tmp_path, "echo '['")
    with pytest.raises(ImageError, match="nothing usable"):
        buildah.image("x")
