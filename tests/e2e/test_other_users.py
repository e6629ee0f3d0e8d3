"""What another user of this machine sees of a build: no secret, and no file of locald's.

The other user is real to the kernel: one of our subordinate ids, outside of every namespace but one
for users.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle.runtime.spec import RuntimeName
from oci.idmap import SubordinateIds
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import BUILDER, Installation, make_app
from tests.support.publishing import other_machine, push_run_image
from tests.support.registry import PASSWORD, serve_registry

VARIABLE = "canary-of-a-variable-5e1c90"
SECRET = "canary-of-a-secret-9b27d4"
CONTROL = "canary-that-may-be-seen-03aa"

# What it looks for comes on standard input, because arguments can be seen.
WATCH = """
import glob, json, os, sys, threading

place, *needles = json.loads(sys.stdin.readline())
needles = [n.encode() for n in needles]
found, opened, listed, commands, rounds = {}, set(), set(), set(), 0
ended = threading.Event()

def look(path, where):
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return b""
    for needle in needles:
        if needle in data:
            found.setdefault(needle.decode(), set()).add(where)
    return data

def wait():
    sys.stdin.read()
    ended.set()

threading.Thread(target=wait, daemon=True).start()
print("ready", flush=True)
while not ended.is_set():
    rounds += 1
    for process in glob.glob("/proc/[0-9]*"):
        if process == f"/proc/{os.getpid()}":
            continue
        command = look(f"{process}/cmdline", "cmdline")
        if b"locald" in command:
            commands.add(command[:200].decode(errors="replace"))
        look(f"{process}/environ", "environ")
    for folder, _, names in os.walk(place):
        listed.add(folder)
        for name in names:
            path = os.path.join(folder, name)
            if look(path, path):
                opened.add(path)
    ended.wait(0.005)
print(json.dumps({
    "uid": os.getuid(), "rounds": rounds, "commands": sorted(commands),
    "found": {k: sorted(v) for k, v in found.items()},
    "opened": sorted(opened), "listed": sorted(listed),
}))
"""
OTHER = (
    *("unshare", "--user", "--map-auto", "--map-root-user"),
    *("setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"),
    *("/usr/bin/python3", "-I", "-S", "-c", WATCH),
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may look into; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="locald-open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def machine(installation: Installation, place: Path) -> Installation:
    """Folders that locald made itself, in the open one, under the most careless umask."""
    careless = installation.within("sh", "-c", 'umask 000; exec "$@"', "sh")
    folder = place / "machine"
    variables = {
        "LOCALD_DATA_DIR": str(folder / "data"),
        "LOCALD_CACHE_DIR": str(folder / "cache"),
        "LOCALD_CONFIG_DIR": str(folder / "config"),
    }
    folder.mkdir()
    assert careless.with_environment(**variables).locald.run("images", "ls").code == 0
    machine = other_machine(careless, folder)
    temporary = place / "tmp"
    temporary.mkdir(mode=0o755)
    return machine.with_environment(**variables, TMPDIR=str(temporary), API_TOKEN=VARIABLE)


@pytest.mark.skipif(
    not SubordinateIds.of_current_user().usable, reason="no subordinate ids: nobody else to be"
)
@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_another_user_sees_no_secret_and_opens_no_file(
    installation: Installation,
    machine: Installation,
    place: Path,
    tmp_path: Path,
    runtime: RuntimeName,
) -> None:
    app = make_app(tmp_path / "app")
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    reads = '[ -n "$API_TOKEN" ] && [ -s /run/secrets/npm ] && sleep 0.3\n'
    buildpack = BuildpackFolder.make(tmp_path / "buildpack", build=f"{reads}{BUILDS}")
    (place / "open").write_text(CONTROL)
    with serve_registry(tmp_path / "registry", login=True) as registry:
        push_run_image(installation, registry)
        argv: tuple[str | Path, ...] = (
            *("build", app, "--builder", BUILDER),
            *("--buildpack", buildpack.path, "--runtime", runtime, "--env", "API_TOKEN"),
            *("--secret", f"id=npm,src={secret}", "--tag", f"{registry.host}/team/app:1"),
            *("--publish", "--run-image", f"{registry.host}/base/run:1", *registry.flags),
        )
        needles = (VARIABLE, SECRET, PASSWORD, CONTROL)
        result, seen = watched(machine, place, needles, argv)
    assert result.code == 0, result.output
    assert seen["uid"] == 4321
    assert seen["rounds"] > 5
    assert any(" build " in c.replace("\0", " ") for c in seen["commands"]), "it saw the build"
    assert seen["found"] == {CONTROL: [str(place / "open"), "cmdline"]}
    assert seen["opened"] == [str(place / "open")]
    inside = {path for path in seen["listed"] if Path(path).is_relative_to(place / "machine")}
    assert inside <= {str(place / "machine")}


def watched(
    machine: Installation, place: Path, needles: tuple[str, ...], argv: tuple[str | Path, ...]
) -> tuple[Finished, dict[str, Any]]:
    """The command's end, and what the other user saw meanwhile."""
    with (
        subprocess.Popen(
            OTHER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as watcher,
        subprocess.Popen(
            (sys.executable, "-c", "import sys; sys.stdin.read()", CONTROL), stdin=subprocess.PIPE
        ),
    ):
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        print(json.dumps([str(place), *needles]), file=watcher.stdin, flush=True)
        assert watcher.stdout.readline() == "ready\n"
        try:
            result = machine.locald.run(*argv)
        finally:
            watcher.stdin.close()
        seen: dict[str, Any] = json.loads(watcher.stdout.read())
    return result, seen
