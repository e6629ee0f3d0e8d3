"""Caches and images under care, in a store of its own, with real builds."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locald.build.builder_create import EMBEDDED_NAME
from locald.paths import CACHE_VARIABLE, DATA_VARIABLE
from oci.allocation import allocated_bytes
from oci.idmap import SubordinateIds
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.scratch import remove
from oci.store import ImageStore
from oci.store_names import RefRecord, StoreNames
from oci.userns import UserNamespace
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation, make_app
from tests.support.waiting import wait_until

RUNNER = CommandRunner()
RUN_IMAGE = Reference(LOCALHOST, "locald/run", "embedded")
KEEPS = f"""\
mark=$LOCALD_BUILD_CACHE/mark
if [ -e "$mark" ]; then echo "found the mark of $(cat "$mark")"; else echo "no mark"; fi
cat /workspace/branch >"$LOCALD_BUILD_CACHE/mark"
{BUILDS}"""

# What tries to stay, in the folder for compilers' caches, in /layers and in the source.
_HOSTILE = """\
for place in "$LOCALD_BUILD_CACHE" "$CNB_LAYERS_DIR" /workspace /tmp; do
  mkdir -p "$place/closed/deep" "$place/fixed"
  touch "$place/closed/deep/file" "$place/fixed/file"
  cp /bin/true "$place/setuid"
  chmod 6755 "$place/setuid" || true
  chown 7:7 "$place/fixed/file" 2>/dev/null || true
  setfattr -n user.x -v x "$place/fixed/file" 2>/dev/null || true
  mkfifo "$place/fifo"
  ln -s /etc/shadow "$place/link"
  chmod 555 "$place/fixed"
  if [[ $place != /workspace && $place != "$CNB_LAYERS_DIR" ]]; then
    chmod 000 "$place/closed/deep" "$place/closed"
  fi
done
rm -f "$CNB_LAYERS_DIR/fifo" /workspace/fifo
"""


@pytest.fixture(scope="module")
def installed(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with an empty store of its own."""
    folder = tmp_path_factory.mktemp("care")
    data, caches = folder / "data", folder / "cache"
    environment = {DATA_VARIABLE: str(data), CACHE_VARIABLE: str(caches)}
    yield replace(
        installation.with_environment(**environment),
        paths=replace(installation.paths, data_dir=data, cache_dir=caches),
        outputs=folder / "outputs",
    )
    remove(data, RUNNER)


@pytest.fixture
def own(installed: Installation, installation: Installation) -> Installation:
    """Its store holds the embedded builder; files are shared with the store that has it, so nobody
    may write into them."""
    for name in (EMBEDDED_NAME, RUN_IMAGE):
        if installed.store.find(name, Platform.of_host()) is None:
            share(name, installation.store, installed.store)
    builder = installed.layout_of(str(EMBEDDED_NAME)).read().digest.hex
    if not any((installed.store.root / "rootfs").glob(f"{builder}-*")):
        theirs, ours = installation.store.root, installed.store.root
        share_unpacked(theirs / "rootfs", ours / "rootfs", builder)
    return installed


def share(name: Reference, theirs: ImageStore, ours: ImageStore) -> None:
    """Give a store an image of another one, as if it had been fetched from there."""
    found = theirs.find(name, Platform.of_host())
    assert found is not None
    target = ours.root / "images" / found.digest.hex
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(found.layout.path, target, symlinks=True)
    (target / "blobs").unlink()
    (target / "blobs").symlink_to(ours.blobs)
    config = found.image.manifest.config.parsed_digest()
    for digest in {*found.image.layer_digests, found.digest, config}:
        place = ours.blobs / "sha256" / digest.hex
        if not place.exists():
            os.link(found.layout.blob_path(digest), place)
    record = RefRecord(
        digest=str(found.digest),
        source=str(ImageLocation.layout(found.layout.path, "latest")),
        source_digest=str(found.digest),
        fetched=time.time(),
    )
    StoreNames(ours.root).write(name, Platform.of_host(), record)


def share_unpacked(theirs: Path, ours: Path, image: str) -> None:
    """Unpacking takes many seconds; nobody writes to what is unpacked."""
    ids = SubordinateIds.of_current_user()
    with UserNamespace(RUNNER, ids=ids if ids.usable else None, own_pids=False) as namespace:
        for bundle in sorted(theirs.glob(f"{image}-*"))[:1]:
            namespace.run("cp", "--archive", "--link", str(bundle), str(ours / bundle.name))


def call(own: Installation, *words: str | Path) -> str:
    """A command that must succeed; its result."""
    result = own.locald.run(*words)
    assert result.code == 0, result.output
    return result.stdout


def document(own: Installation, *words: str | Path) -> Any:
    return json.loads(call(own, *words, "--json"))


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


def repository(folder: Path, branch: str = "main") -> Path:
    app = make_app(folder)
    git(app, "init", "-q", "-b", branch)
    git(app, "add", ".")
    git(app, "commit", "-q", "-m", "first")
    return app


def prune(own: Installation, *flags: str) -> int:
    """Bytes freed."""
    words = call(own, "images", "prune", "-q", *flags) + call(own, "cache", "prune", "-q", *flags)
    return sum(int(line.split()[0]) for line in words.splitlines())


def test_what_is_there_is_listed_with_its_project_and_branch(
    own: Installation, tmp_path: Path
) -> None:
    app = repository(tmp_path / "listed", "feature/one")
    begin = time.time()
    own.build(app)
    (cache,) = (c for c in document(own, "cache", "ls") if c["app_dir"] == str(app))
    assert (cache["project"], cache["branch"], cache["gone"]) == ("listed", "feature/one", False)
    assert begin - 2 <= cache["used"] <= time.time()
    assert cache["size_bytes"] == allocated_bytes(Path(cache["folder"]))
    listed = document(own, "images", "ls")
    mine = next(i for i in listed["images"] if f"{own.prefix}/listed:latest" in i["names"])
    assert (mine["kind"], mine["project"], mine["branch"]) == (
        "application",
        str(app),
        "feature/one",
    )
    builder = next(i for i in listed["images"] if i["kind"] == "builder")
    assert builder["used"] >= begin - 2
    assert builder["unpacked_bytes"] > 100 << 20
    assert mine["own_bytes"] < mine["size_bytes"]
    blobs = own.store.blobs / "sha256"
    assert listed["size_bytes"] == sum(p.stat().st_blocks * 512 for p in blobs.iterdir())
    assert "feature/one" in call(own, "images", "ls")
    assert "feature/one" in call(own, "cache", "ls", app)
    used = {row["what"]: row["size_bytes"] for row in document(own, "cache", "du")}
    assert used["images"] >= listed["size_bytes"]
    assert used["unpacked builders"] == listed["unpacked_bytes"]


def test_builds_and_kills_leave_the_size_where_it_was(own: Installation, tmp_path: Path) -> None:
    app = make_app(tmp_path / "bounded")

    def content(number: int) -> None:
        (app / "index.html").write_text(f"{number}\n" + "x" * 20_000)

    def size() -> int:
        prune(own)
        return allocated_bytes(own.paths.data_dir, own.paths.build_caches)

    content(0)
    own.build(app)
    before = size()
    for number in range(1, 4):
        content(number)
        own.build(app)
    moments = random.Random(7)
    for number in range(4, 8):
        content(number)
        with own.start_build(app) as build:
            time.sleep(moments.uniform(0.2, 1.2))
            if build.running():
                os.kill(build.pid, signal.SIGKILL)
            build.finish()
    content(0)
    own.build(app)
    assert abs(size() - before) <= 32768


def test_a_damaged_image_is_told_removed_and_made_anew(own: Installation, tmp_path: Path) -> None:
    app = make_app(tmp_path / "damaged")
    own.build(app)
    image = own.image(app)
    assert image is not None
    layer = own.layout(app).blob_path(image.layer_digests[-1])
    layer.chmod(0o600)
    layer.write_bytes(bytes(layer.stat().st_size))
    told = own.locald.run("images", "verify", "--no-repair")
    assert told.code == 6
    assert "damaged:latest" in told.stdout
    assert "found" in told.stdout
    assert "run: locald verify-store" in told.stderr
    repaired = own.locald.run("verify-store")
    assert repaired.code == 6
    assert "the next build makes it anew" in repaired.stdout
    again = own.build(app)
    assert again.digest == str(image.digest)


def test_a_damaged_builder_is_fetched_and_unpacked_again(own: Installation) -> None:
    layout = own.layout_of(str(EMBEDDED_NAME))
    image = layout.read()
    smallest = min(image.manifest.layers, key=lambda layer: layer.size)
    blob = layout.blob_path(smallest.parsed_digest())
    blob.unlink()  # another store has the same file
    blob.write_bytes(b"")
    bundle = next((own.store.root / "rootfs").glob(f"{image.digest.hex}-*"))
    (bundle / "COMPLETE").unlink()
    (bundle / "COMPLETE").write_bytes(b"{")
    result = own.locald.run("verify-store", "--json")
    assert result.code == 0, result.output
    damage = json.loads(result.stdout)["damage"]
    assert {one["outcome"] for one in damage} == {"repaired"}
    assert {one["part"] for one in damage} == {"blob", "image", "unpacked image"}
    assert not bundle.exists()
    assert not layout.missing_layers(image)
    assert own.locald.run("verify-store").code == 0


def test_another_checkout_starts_warm(own: Installation, tmp_path: Path) -> None:
    app = repository(tmp_path / "main")
    (app / "branch").write_text("main")
    buildpack = BuildpackFolder.make(tmp_path / "buildpack", build=KEEPS)
    assert "no mark" in own.build(app, buildpack=buildpack).output
    nowhere = own.locald.run("cache", "fork", "other", app)
    assert nowhere.code == 2
    assert "git worktree add" in nowhere.stderr
    other = tmp_path / "other"
    git(app, "worktree", "add", "-q", "-b", "other", str(other))
    (other / "branch").write_text("other")
    assert call(own, "cache", "fork", "other", app) == "1 copied\n"
    assert "found the mark of main" in own.build(other, buildpack=buildpack).output
    # What one writes the other does not see.
    assert "found the mark of main" in own.build(app, buildpack=buildpack).output
    refused = own.locald.run("cache", "fork", other, app)
    assert refused.code == 2
    assert "--force" in refused.stderr
    assert call(own, "cache", "fork", other, app, "--force") == "1 copied\n"
    branches = {c["app_dir"]: c["branch"] for c in document(own, "cache", "ls")}
    assert (branches[str(app)], branches[str(other)]) == ("main", "other")


def test_a_project_that_is_gone_leaves_no_cache(own: Installation, tmp_path: Path) -> None:
    app = make_app(tmp_path / "going")
    own.build(app)
    (app / "index.html").unlink()
    app.rmdir()
    assert "(gone)" in call(own, "cache", "ls")
    assert "its project is gone" in own.locald.run("cache", "prune", "--dry-run").stderr
    freeable = {row["what"]: row["freeable_bytes"] for row in document(own, "cache", "du")}
    assert freeable["build caches"] > 0
    assert freeable["build caches"] == int(call(own, "cache", "prune", "-q").split()[0])
    of_images = ("images", "unpacked builders", "builds that run, or were killed")
    told = call(own, "images", "prune", "--dry-run", "-q")
    assert sum(freeable[what] for what in of_images) == int(told.split()[0])
    assert str(app) not in call(own, "cache", "ls")


def test_a_hostile_build_leaves_nothing_that_its_user_cannot_delete(
    own: Installation, tmp_path: Path
) -> None:
    """Folders without permissions, other owners, setuid programs, in all places that it can write
    to; from a build that succeeds, and from one that does not."""
    app = make_app(tmp_path / "hostile")
    cache, store = own.paths.build_caches, own.store.root
    for name, end in (("good", ""), ("bad", "exit 1")):
        buildpack = BuildpackFolder.make(tmp_path / name, build=f"{_HOSTILE}{BUILDS}{end}")
        result = own.try_build(app, buildpack=buildpack)
        assert (result.code == 0) == (name == "good"), result.output
        assert not list(own.paths.work.iterdir())
        assert not list((store / "tmp").iterdir())
    places = [
        path for path in own.paths.data_dir.rglob("*") if store / "rootfs" not in path.parents
    ]
    assert {path.lstat().st_uid for path in (*places, *cache.rglob("*"))} == {os.getuid()}
    (kept,) = (c for c in document(own, "cache", "ls") if c["app_dir"] == str(app))
    closed = Path(kept["folder"]) / "build/closed"
    assert closed.stat().st_mode & 0o777 == 0
    call(own, "cache", "clear", app)
    assert not closed.exists()
    call(own, "cache", "clear", "--all")
    assert not list(cache.iterdir())


def test_nothing_that_a_running_build_uses_goes(own: Installation, tmp_path: Path) -> None:
    """Even when it is told to delete all that there is, and the names are gone, too."""
    app = make_app(tmp_path / "running")
    buildpack = BuildpackFolder.make(tmp_path / "buildpack")
    own.build(app, buildpack=buildpack)
    (app / "index.html").write_text("changed\n")
    buildpack.hold("build")
    with own.start_build(app, buildpack=buildpack) as build:
        assert wait_until(lambda: "holding build" in build.stderr, seconds=60), build.stderr
        call(own, "images", "rm", str(EMBEDDED_NAME), str(RUN_IMAGE), own.name(app))
        prune(own, "--older-than", "0s", "--keep", "0")
        assert prune(own, "--older-than", "0s", "--keep", "0") == 0
        buildpack.release()
        finished = build.finish()
    assert finished.code == 0, finished.output
    image = own.image(app)
    assert image is not None
    kept = own.store
    for name in (EMBEDDED_NAME, RUN_IMAGE):
        assert kept.find(name, Platform.of_host()) is None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("images", "prune", "--keep", "much"), 2, "--keep: not a size: 'much'"),
        (("images", "prune", "--older-than", "30"), 2, "--older-than: not an age: '30'"),
        (("cache", "prune", "--keep", "10 elephants"), 2, "--keep: not a size"),
        (("cache", "prune", "--older-than", "-1d"), 2, "--older-than: not an age"),
        (("images", "rm", "nothing"), 4, "there is no image nothing in the store"),
        (("images", "rm", "A:B:C"), 2, "not an image reference"),
        (("images", "rm", "locald/builder:embedded", "--platform", "x"), 2, "not a platform"),
        (("cache", "ls", "/nowhere"), 2, "no such folder"),
        (("cache", "fork", "nowhere", "/nowhere"), 2, "neither a folder nor a branch"),
    ],
)
def test_bad_input_is_told_in_one_message(
    own: Installation, words: tuple[str, ...], code: int, message: str
) -> None:
    result = own.locald.run(*words)
    assert result.code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
