"""`SRC:DST[:ro|rw]`."""

from pathlib import Path, PurePosixPath

import pytest

from lifecycle.inputs import MountPaths, mount_paths
from lifecycle.runtime.spec import Mount
from locald.config.volume import check_volume_target, parse_volume
from oci.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "with:colon", "ro"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "source", "target", "read_only"),
    [
        ("data:/mnt/data", "data", "/mnt/data", True),
        ("./data:/mnt/data:ro", "data", "/mnt/data", True),
        ("data/:/mnt/data/:rw", "data", "/mnt/data", False),
        ("file:/etc/thing.conf", "file", "/etc/thing.conf", True),
        ("with:colon:/x", "with:colon", "/x", True),
        ("with:colon:/x:rw", "with:colon", "/x", False),
        ("ro:/x", "ro", "/x", True),
        ("data/../data:/x//y/./z", "data", "/x/y/z", True),
    ],
)
def test_forms(folder: Path, text: str, source: str, target: str, read_only: bool) -> None:
    assert parse_volume(text, relative_to=folder) == Mount(
        source=folder / source, target=PurePosixPath(target), read_only=read_only
    )


def test_a_link_and_the_home_folder_are_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "link").symlink_to("data")
    monkeypatch.setenv("HOME", str(folder))
    for text in ("link:/x", "~/link:/x", f"{folder}/link:/x"):
        assert parse_volume(text, relative_to=folder).source == folder / "data"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a volume"),
        ("data", "'data' is not a volume"),
        ("data:", "'data:' is not a volume"),
        (":/x", "':/x' is not a volume"),
        ("data:rw", "'data:rw' is not a volume"),
        ("data:x:ro", "'x' is not an absolute path without `..`"),
        ("data:/x/../etc:ro", "'/x/../etc' is not an absolute path without `..`"),
        ("data://x", "'//x' is not an absolute path without `..`"),
        ("data:/", "nothing can be mounted at /: it is the builder itself"),
        ("data:/y:zz", "'zz' is neither ro nor rw"),
        ("data:/x:ro,rw", "'ro,rw' is neither ro nor rw"),
        ("nowhere:/x", "nowhere: no such file or folder"),
        ("cache-volume:/x:rw", "cache-volume: no such file or folder"),
        ("data:/x:z", "the option z is not known: SELinux labels of your files are never changed"),
        ("data:/x:ro,Z", "the option Z is not known"),
        ("data:/x\x1b[m", "'/x\\x1b[m' has characters that are not printable"),
    ],
)
def test_other_text_is_refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_volume(text, relative_to=folder)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "target",
    ["/cnb", "/cnb/buildpacks/x", "/layers", "/layers/x", "/platform", "/platform/env/X",
     "/cache", "/layout-repo", "/build-cache/x", "/proc", "/proc/self", "/sys", "/dev/shm",
     "/run/secrets", "/run/secrets/x", "/run", "/workspace", "/tmp"],
)  # fmt: skip
def test_the_builds_own_places_are_refused(target: str) -> None:
    with pytest.raises(UsageError, match=target.split("/")[1]):
        check_volume_target(PurePosixPath(target), MountPaths())


@pytest.mark.parametrize(
    "target",
    ["/mnt/x", "/workspace/node_modules", "/tmp/x", "/home/cnb/.m2", "/platform/bindings/maven",
     "/platform/bindings", "/workspaces", "/etc/pip.conf"],
)  # fmt: skip
def test_other_places_are_free(target: str) -> None:
    check_volume_target(PurePosixPath(target), MountPaths())


def test_the_source_s_own_folder_follows_the_workspace() -> None:
    check_volume_target(PurePosixPath("/workspace"), mount_paths("app"))
    with pytest.raises(UsageError, match="/app is the source itself"):
        check_volume_target(PurePosixPath("/app"), mount_paths("app"))
