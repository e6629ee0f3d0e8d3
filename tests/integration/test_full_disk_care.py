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
        names = [Reference.parse(f"localhost/{name}") for name in ("shop:1", "two:latest")]
        store.commit(layout, tuple(names), Platform.of_host())
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

other = filled(paths.build_caches, project="other", app_dir=scratch / "other")
(scratch / "other").mkdir()
chosen = filled(disk / "chosen", project="chosen")
gone = filled(paths.build_caches, project="gone", app_dir=scratch / "gone")
(other.root / "incoming/build").mkdir(parents=True)
files = paths.cache_dir / "downloads/files"
files.mkdir(parents=True)
(files / ("0" * 64)).write_bytes(os.urandom(50_000))
tree = paths.cache_dir / "modules/tree/old/bin"
tree.mkdir(parents=True)
(tree / "build").write_bytes(os.urandom(50_000))

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
    return int(result.stdout.split()[0]) if result.stdout[:1].isdigit() else 0

def fill_again():  # what was freed is taken again
    if fill == "blocks":
        try:
            with (disk / "more").open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass

run("cache", "ls")
run("cache", "du")
run("images", "ls")
run("images", "prune", "--dry-run")
assert run("images", "rm", "two", "-q") == 1
assert run("images", "rm", "shop:1", "--prune", "-q") >= 800_000
assert not bundle.exists()
assert not list(paths.work.iterdir())
assert not list((store.root / "blobs/sha256").iterdir())
assert not list((store.root / "images").iterdir())
fill_again()
assert run("cache", "clear", str(scratch / "other"), "-q") >= 4096
assert other.empty and not (other.root / "incoming").exists()
fill_again()
assert run("cache", "prune", "--cache", str(disk / "chosen"), "--keep", "0", "-q") >= 4096
assert not list((disk / "chosen").iterdir())
fill_again()
assert run("cache", "prune", "-q") >= 4096
assert not gone.root.exists() and cache.root.exists()
fill_again()
if sys.argv[4] == "prune":
    assert run("cache", "prune", "--older-than", "0s", "-q") >= 400_000
else:
    assert run("cache", "clear", "--all", "-q") >= 400_000
assert not list(paths.build_caches.iterdir())
assert not list(files.iterdir()) and not list(tree.parent.parent.iterdir())
print("done")
"""


@pytest.mark.parametrize(("fill", "last"), [("blocks", "clear"), ("inodes", "prune")])
def test_everything_goes_at_0_bytes_free(tmp_path: Path, fill: str, last: str) -> None:
    disk, scratch = tmp_path / "disk", tmp_path / "scratch"
    disk.mkdir()
    scratch.mkdir()
    mount = 'mount -t tmpfs -o size=4m,nr_inodes=200 tmpfs "$0" && exec "$@"'
    result = subprocess.run(
        [
            *("unshare", "-Urm", "sh", "-c", mount, str(disk)),
            *(sys.executable, "-c", PROGRAM, str(disk), str(scratch), fill, last),
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
