"""What a hostile buildpack finds around it, asserted from inside, against what the report says."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lifecycle.ca_bundle import VARIABLES
from lifecycle.runtime.spec import RuntimeName
from tests.e2e.test_mounts import said
from tests.e2e.test_secrets import CANARY
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import BUILDER, Installation
from tests.support.tree_state import tree_state

# Runs in the container; prints one line of JSON.
PROBE = r"""
import ctypes, json, os, re, socket, stat, sys
port, store, cache = int(sys.argv[1]), sys.argv[2], sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)

def refused(call):
    ctypes.set_errno(0)
    return call() < 0

def connects(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        try:
            s.connect(address)
        except OSError:
            return False
        return True

def writable(path):
    try:
        with open(path, "r+b"):
            return True
    except OSError:
        return False

def written(path):
    try:
        with open(path, "w") as f:
            f.write("evil")
        return True
    except OSError:
        return False

status = dict(l.rstrip("\n").split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
mounts = [l.split() for l in open("/proc/self/mountinfo")]
calls = {
    "mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None),
    "umount": lambda: libc.umount2(b"/proc", 2),
    "unshare user": lambda: libc.unshare(0x10000000),
    "unshare net": lambda: libc.unshare(0x40000000),
    "setns": lambda: libc.setns(os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    "keyctl": lambda: libc.syscall({"x86_64": 250, "aarch64": 219}[os.uname().machine], 0, -3, 1),
    "bpf": lambda: libc.syscall({"x86_64": 321, "aarch64": 280}[os.uname().machine], 0, 0, 0),
    "chroot": lambda: libc.chroot(b"/tmp"),
    "setuid": lambda: libc.setuid(0),
    "sethostname": lambda: libc.sethostname(b"evil", 4),
    "mknod": lambda: libc.mknod(b"/tmp/null", stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "raw socket": lambda: libc.socket(socket.AF_INET, socket.SOCK_RAW, 1),
}
devices = [
    os.path.join(d, n)
    for d, _, names in os.walk("/dev") for n in names
    if stat.S_ISCHR(os.lstat(os.path.join(d, n)).st_mode)
    or stat.S_ISBLK(os.lstat(os.path.join(d, n)).st_mode)
]
writable_system = [
    os.path.join(d, n)
    for top in ("/proc/sys", "/sys") for d, _, names in os.walk(top) for n in names
    if os.access(os.path.join(d, n), os.W_OK) and not os.path.islink(os.path.join(d, n))
    and writable(os.path.join(d, n))
]
print(json.dumps({
    "ids": [os.getresuid(), os.getresgid()],
    "groups": os.getgroups(),
    "capabilities": {n: v for n, v in status.items() if n.startswith("Cap")},
    "no_new_privs": status["NoNewPrivs"], "seccomp": status["Seccomp"],
    "hostname": socket.gethostname(),
    "allowed": sorted(n for n, call in calls.items() if not refused(call)),
    "devices": sorted(devices),
    "writable_system": writable_system,
    "in_sysfs": sorted({
        n for top in ("/sys/class", "/sys/devices") for d, folders, _ in os.walk(top)
        if os.path.basename(d) == "net" for n in os.listdir(d)
    }),
    "interfaces": sorted(l.split(":")[0].strip() for l in list(open("/proc/net/dev"))[2:]),
    "mounts": {m[4]: "ro" in m[5].split(",") for m in mounts},
    "suid_mounts": [m[4] for m in mounts if m[4] in ("/layers", "/workspace", "/tmp")
                    and "nosuid" not in m[5].split(",")],
    "environment": dict(os.environ),
    "processes": [p for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid())
                  and b"locald" in open(f"/proc/{p}/cmdline", "rb").read()],
    "sees": [p for p in (store, cache) if os.path.exists(p)],
    "loopback": connects(socket.AF_INET, ("127.0.0.1", port))
    or connects(socket.AF_INET, ("10.0.2.2", port)),
    "abstract": connects(socket.AF_UNIX, "\0" + sys.argv[4]),
    "wrote_root": [p for p in ("/cnb/lifecycle/evil", "/cnb/evil", "/bin/evil", "/evil",
                               "/etc/evil", "/home/evil") if written(p)],
}))
"""
DEVICES = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}
# What the runtime has of its own; the pseudo-terminal multiplexer is that of /dev/pts.
_OWN = ("/proc", "/dev", "/sys")
_FILES = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """By phase: what was seen inside, and what the report says was given."""

    inside: dict[str, dict[str, Any]]
    given: dict[str, dict[str, Any]]


@pytest.fixture
def victim() -> Iterator[int]:
    """A listener on the host's loopback, and one on an abstract socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{CANARY}-isolation")
        other.listen()
        stop = threading.Event()
        server.settimeout(0.1)

        def accept() -> None:
            while not stop.is_set():
                try:
                    server.accept()[0].close()
                except OSError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def look(
    installation: Installation, app: Path, folder: Path, port: int, *flags: str | Path
) -> Seen:
    """Build with a buildpack that looks around in both of its phases."""
    spy = BuildpackFolder.make(folder / "spy", detect=_probe(), build=f"{_probe()}{_TELL}{BUILDS}")
    (spy.path / "probe.py").write_text(PROBE)
    other = installation.paths.build_caches / "another-project"
    other.mkdir(parents=True, exist_ok=True)
    words = (str(port), str(installation.paths.store), str(other), f"{CANARY}-isolation")
    (spy.path / "arguments").write_text("\n".join(words) + "\n")
    report = folder / "report.json"
    result = installation.build(app, "--report", report, *flags, buildpack=spy)
    detect, build = map(json.loads, said(result.stderr))
    given = {p["name"]: p["given"] for p in json.loads(report.read_text())["phases"]}
    return Seen(inside={"detect": detect, "build": build}, given=given)


def _probe() -> str:
    return """\
mapfile -t words <"$CNB_BUILDPACK_DIR/arguments"
python3 -I -S "$CNB_BUILDPACK_DIR/probe.py" "${words[@]}" >"/workspace/seen-$(basename "$0")"
"""


_TELL = """\
sed 's/^/say /' /workspace/seen-detect /workspace/seen-build
rm /workspace/seen-*
"""


@pytest.mark.parametrize(
    ("runtime", "network"),
    [*((runtime, "private") for runtime in RuntimeName), (RuntimeName.RUNC, "none")],
)
def test_what_a_phase_of_buildpacks_finds(
    installation: Installation,
    app: Path,
    tmp_path: Path,
    victim: int,
    runtime: RuntimeName,
    network: str,
) -> None:
    flags = ("--network", network, "--runtime", runtime, "--env", "GIVEN=1")
    seen = look(installation.with_environment(GITHUB_TOKEN=CANARY), app, tmp_path, victim, *flags)
    for phase, inside in seen.inside.items():
        given = seen.given[phase]
        user, group = given["user"], given["group"]
        assert inside["ids"] == [[user] * 3, [group] * 3], phase
        assert set(inside["groups"]) <= {group}
        assert set(inside["capabilities"].values()) == {"0" * 16}
        assert (inside["no_new_privs"], inside["seccomp"]) == ("1", "2")
        assert inside["hostname"] == "locald"
        assert inside["allowed"] == []
        assert {d for d in inside["devices"] if not d.startswith("/dev/pts/")} == DEVICES
        assert inside["writable_system"] == []
        assert inside["processes"] == []
        assert inside["sees"] == []
        assert not inside["loopback"]
        assert not inside["abstract"]
        # Podman mounts overlays without a flag; no_new_privs holds all the same.
        suid = ["/workspace"] if runtime is RuntimeName.PODMAN else []
        assert inside["suid_mounts"] == suid
        _check_network(inside, given, network)
        _check_mounts(inside, given)
        _check_environment(inside, given)


def _check_network(inside: dict[str, Any], given: dict[str, Any], network: str) -> None:
    assert given["network"] == network
    assert inside["interfaces"] == (["lo"] if network == "none" else ["lo", "tap0"])
    assert set(inside["in_sysfs"]) <= set(inside["interfaces"])


def _check_mounts(inside: dict[str, Any], given: dict[str, Any]) -> None:
    told = {mount["target"]: mount["read_only"] for mount in given["mounts"]}
    found = {
        target: read_only
        for target, read_only in inside["mounts"].items()
        if target != "/" and not target.startswith(_OWN) and target not in _FILES
    }
    assert found == told
    assert inside["mounts"]["/"] is given["read_only_root"]


def _check_environment(inside: dict[str, Any], given: dict[str, Any]) -> None:
    """A buildpack gets what the phase gets, and the lifecycle's and the shell's own."""
    own = {"PWD", "OLDPWD", "SHLVL", "_", "HOSTNAME", "LC_CTYPE", "container", "GIVEN"}
    others = {n for n in inside["environment"] if not n.startswith(("CNB_", "LOCALD_"))} - own
    # Those of /platform/env: the user's, and where the certificates of this host are.
    assert others - set(VARIABLES) <= set(given["environment"])
    assert "GITHUB_TOKEN" not in inside["environment"]
    assert CANARY not in str(inside["environment"])


def test_the_probe_sees_what_is_there(
    installation: Installation, app: Path, tmp_path: Path, victim: int
) -> None:
    """Else the test above would prove nothing: with the host's network both listeners answer."""
    seen = look(installation, app, tmp_path, victim, "--network", "host")
    for inside in seen.inside.values():
        assert inside["loopback"]
        assert inside["abstract"]
        assert set(inside["in_sysfs"]) == {name for _, name in socket.if_nameindex()}


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_what_a_buildpack_writes_into_the_builder_is_thrown_away(
    installation: Installation, app: Path, tmp_path: Path, victim: int, runtime: RuntimeName
) -> None:
    installation.build(app, "--runtime", runtime)  # the builder is unpacked
    builder = installation.layout_of(BUILDER).read().digest
    unpacked = installation.paths.store / "rootfs"
    roots = sorted(path / "rootfs" for path in unpacked.glob(f"{builder.hex}*"))
    trees = {root: tree_state(root / "cnb") for root in roots}
    places = (*roots, installation.paths.store / "blobs")
    before = stamps(*places)
    assert trees
    seen = look(installation, app, tmp_path, victim, "--runtime", runtime)
    # Under bubblewrap the builder's files are the user's, so that it can write something.
    if runtime is RuntimeName.BUBBLEWRAP:
        assert "/cnb/lifecycle/evil" in seen.inside["detect"]["wrote_root"]
    for root, tree in trees.items():
        assert differences(tree, tree_state(root / "cnb")) == {}
    after = stamps(*places)
    # Builds add to the blobs, and nothing to an unpacked builder.
    assert differences(before, {path: after.get(path) for path in before}) == {}
    assert [p for p in after.keys() - before.keys() if p.is_relative_to(unpacked)] == []


def stamps(*folders: Path) -> dict[Path, tuple[int, ...]]:
    """Of every file below that can be seen."""
    found: dict[Path, tuple[int, ...]] = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                with contextlib.suppress(FileNotFoundError):  # another build's, by now elsewhere
                    status = path.lstat()
                    numbers = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
                    found[path] = numbers
    return found


def differences(before: Mapping[Any, object], after: Mapping[Any, object]) -> dict[Any, object]:
    return {
        path: (before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }
