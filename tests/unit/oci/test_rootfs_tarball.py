"""The argv that makes a Debian root filesystem, and what its failures say."""

from pathlib import Path

import pytest

from oci.errors import HostError
from oci.process import CommandRunner
from oci.rootfs_tarball import DebianRootfs, begin_rootfs, mmdebstrap_argv, package_names

ROOTFS = DebianRootfs(
    suite="bookworm",
    variant="essential",
    packages=("bash", "libc6"),
    hook=Path("/a folder/hook.sh"),
    skip=("cleanup/apt",),
)


def test_the_argv_is_whole() -> None:
    assert mmdebstrap_argv(ROOTFS, output=Path("/out/root.tar")) == (
        "mmdebstrap",
        "--mode=root",
        "--variant=essential",
        "--include=bash,libc6",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/info/*",
        "--skip=output/dev,cleanup/apt",
        "--customize-hook='/a folder/hook.sh' \"$1\"",
        "--format=tar",
        "bookworm",
        "/out/root.tar",
    )


def test_package_names_come_without_comments(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# head\nbash   # a shell\n\n  libc6\n")
    assert package_names(tmp_path / "list") == ("bash", "libc6")


def test_a_missing_mmdebstrap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(HostError, match="`mmdebstrap` is not installed") as caught,
        begin_rootfs(CommandRunner(), ROOTFS, tmp_path / "root.tar"),
    ):
        pass
    assert "mmdebstrap" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
