"""Everything can be deleted from a disk that has no byte and no inode left."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# Runs in a mount namespace of its own, where DISK is a small tmpfs.
PROGRAM = """
import os, subprocess, sys
from dataclasses import replace
from pathlib import Path

from lifecycle.caches import BuildCache
from locald.paths import Paths
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.build_caches import filled
from tests.support.images import make_image

disk, scratch, fill = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
paths = Paths.from_environment()
store = ImageStore(paths.store, Skopeo(CommandRunner()))
for number in range(3):
    with store.staging() as folder:  # a commit moves layers, on one file system
        layout = make_image(folder / "made", layers=[os.urandom(200_000)])
        store.commit(layout, (Reference.parse("localhost/shop:1"),), Platform.of_host())
store.leases.release()
cache = filled(paths.build_caches, app_dir=scratch)
(cache.build / "big").write_bytes(os.urandom(300_000))
paths.work.mkdir()
(paths.work / "b1x/left").mkdir(parents=True)
(paths.work / "b1x/left/file").write_bytes(os.urandom(100_000))
bundle = store.root / "rootfs" / ("0" * 64 + "-1-1-single")
(bundle / "rootfs").mkdir(parents=True)
(bundle / "rootfs/file").write_bytes(os.urandom(100_000))
(bundle / "COMPLETE").touch()
(store.root / "locks" / ("rootfs-" + "0" * 32 + "-1-1-single.lock")).touch()

number = 0
try:
    if fill == "blocks":
        with (disk / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    while True:
        (disk / f"ballast{number}").touch()
        number += 1
except OSError as error:
    print("full:", error.strerror)

def run(*words):
    result = subprocess.run(
        [sys.executable, "-m", "locald", *words], capture_output=True, text=True, check=False
    )
    print(words[:2], result.returncode, result.stdout.strip(), result.stderr.strip())
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[0])

assert run("images", "rm", "shop:1", "-q") == 1
assert run("images", "prune", "-q") >= 800_000
assert not bundle.exists()
assert not list(paths.work.iterdir())
assert not list((store.root / "blobs/sha256").iterdir())
assert not list((store.root / "images").iterdir())
if fill == "blocks":  # what was freed is taken again
    try:
        with (disk / "more").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
assert run("cache", "prune", "--older-than", "0s", "-q") >= 300_000
assert not list(paths.build_caches.iterdir())
print("done")
"""


@pytest.mark.parametrize("fill", ["blocks", "inodes"])
def test_everything_goes_at_0_bytes_free(tmp_path: Path, fill: str) -> None:
    disk, scratch = tmp_path / "disk", tmp_path / "scratch"
    disk.mkdir()
    scratch.mkdir()
    mount = 'mount -t tmpfs -o size=4m,nr_inodes=200 tmpfs "$0" && exec "$@"'
    result = subprocess.run(
        [
            *("unshare", "-Urm", "sh", "-c", mount, str(disk)),
            *(sys.executable, "-c", PROGRAM, str(disk), str(scratch), fill),
        ],
        env={
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(scratch),
            "LOCALD_DATA_DIR": str(disk / "data"),
            "LOCALD_CACHE_DIR": str(disk / "cache"),
            "LOCALD_CONFIG_DIR": str(disk / "config"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "full: No space left on device" in result.stdout
    assert result.stdout.endswith("done\n")
