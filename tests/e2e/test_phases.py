"""What the phases without buildpacks have around them: seen by a program in the lifecycle's place.

tests/e2e/test_isolation.py does the same from inside of detect and build.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.e2e.test_isolation import DEVICES
from tests.e2e.test_lifecycle_override import real_lifecycle
from tests.e2e.test_secrets import CANARY
from tests.support.e2e import Installation

__all__ = ["real_lifecycle"]

PHASES = {"analyze": "analyzer", "restore": "restorer", "export": "exporter"}
# What the runtime has of its own; below a read-only root also a place for temporary files.
_OWN = ("/proc", "/dev", "/sys", "/var/tmp")
_FILES = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"}

# As the program is told apart by its name, the wrapper has to keep it.
WRAPPER = """\
#!/bin/bash
python3 -I -S - <<'PROBE'
import json, os, socket, stat

def connects(address):
    with socket.socket() as s:
        s.settimeout(2)
        try:
            s.connect(address)
        except OSError:
            return False
        return True

status = dict(l.rstrip("\\n").split(":\\t", 1) for l in open("/proc/self/status") if ":\\t" in l)
mounts = [l.split() for l in open("/proc/self/mountinfo")]
devices = [
    os.path.join(d, n)
    for d, _, names in os.walk("/dev") for n in names
    if stat.S_ISCHR(os.lstat(os.path.join(d, n)).st_mode)
]
print("seen " + json.dumps({
    "interfaces": sorted(l.split(":")[0].strip() for l in list(open("/proc/net/dev"))[2:]),
    "reaches": connects(("192.0.2.1", 80)) or connects(("10.0.2.3", 53)),
    "mounts": {m[4]: "ro" in m[5].split(",") for m in mounts},
    "environment": dict(os.environ),
    "capabilities": {v for n, v in status.items() if n.startswith("Cap")} == {"0" * 16},
    "no_new_privs": status["NoNewPrivs"], "seccomp": status["Seccomp"],
    "ids": [os.getuid(), os.getgid()],
    "open_files": sorted(os.listdir("/proc/self/fd"), key=int),
    "devices": sorted(d for d in devices if not d.startswith("/dev/pts/")),
}))
PROBE
exec -a PROGRAM /cnb/lifecycle/lifecycle "$@"
"""


@pytest.fixture(scope="module")
def spying(real_lifecycle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lifecycle whose programs look around first."""
    folder = tmp_path_factory.mktemp("spying") / "lifecycle"
    shutil.copytree(real_lifecycle, folder)
    for name in ("detector", "builder", "creator", "extender", "rebaser"):
        (folder / name).symlink_to("lifecycle")
    for name in PHASES.values():
        (folder / name).write_text(WRAPPER.replace("PROGRAM", name))
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_phases_without_buildpacks_have_no_network_and_what_the_report_says(
    installation: Installation, app: Path, tmp_path: Path, spying: Path, runtime: RuntimeName
) -> None:
    loaded = installation.with_environment(
        GITHUB_TOKEN=CANARY, HTTPS_PROXY=f"http://user:{CANARY}@192.0.2.1:3128"
    )
    report = tmp_path / "report.json"
    flags = ("--lifecycle", spying, "--runtime", runtime, "--report", report, "--verbose")
    result = loaded.build(app, *flags, "--network", "private")
    given = {p["name"]: p["given"] for p in json.loads(report.read_text())["phases"]}
    for phase in PHASES:
        _check(_seen(result.stderr, phase), given[phase], phase)
    assert CANARY not in result.output
    assert CANARY not in report.read_text()


def _seen(stderr: str, phase: str) -> dict[str, Any]:
    (line,) = (x for x in stderr.splitlines() if x.startswith(f"[{phase}] seen "))
    seen: dict[str, Any] = json.loads(line.partition("seen ")[2])
    return seen


def _check(seen: dict[str, Any], given: dict[str, Any], phase: str) -> None:
    assert given["network"] == "none"
    assert seen["interfaces"] == ["lo"], phase
    assert not seen["reaches"]
    assert seen["ids"] == [given["user"], given["group"]]
    assert (seen["capabilities"], seen["no_new_privs"], seen["seccomp"]) == (True, "1", "2")
    assert set(seen["devices"]) == DEVICES
    # Its three streams, and the folder that it looks into.
    assert seen["open_files"] == ["0", "1", "2", "3"]
    told = {mount["target"]: mount["read_only"] for mount in given["mounts"]}
    found = {
        target: read_only
        for target, read_only in seen["mounts"].items()
        if target != "/" and not target.startswith(_OWN) and target not in _FILES
    }
    assert found == told, phase
    assert seen["mounts"]["/"] is given["read_only_root"]
    assert CANARY not in str(seen["environment"])
    others = set(seen["environment"]) - set(given["environment"])
    assert others <= {"PWD", "SHLVL", "_", "HOSTNAME", "container", "LC_CTYPE"}, phase
