"""What else is around a build: session, limits, cgroups, SELinux, clock, an outer container."""

import locale
import os
import resource
import stat
import tempfile
import time
from pathlib import Path

from lifecycle.runtime.outer import in_container
from lifecycle.runtime.own_limits import refused_limit
from lifecycle.runtime.spec import RuntimeName
from locald.doctor.check import Check
from locald.doctor.finding import Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.place import ABANDONED_SECONDS, nearest
from oci.process import find_tool
from oci.scratch import is_abandoned

_FEW_FILES = 1024
_FEW_PROCESSES = 512
_SMALL_FILE_BYTES = 4 << 30
_SMALL_MEMORY_BYTES = 4 << 30
# When this was written: no clock that is right shows less.
_THE_PAST = 1767225600
_FAR_FUTURE_SECONDS = 30 * 365 * 86400
_DELEGATE = "/etc/systemd/system/user@.service.d/delegate.conf"
_PODMAN_STORAGE = "containers/storage"


def home(host: Host) -> Finding:
    """Tools look for their files there; podman keeps its images there."""
    text = host.environ.get("HOME", "")
    if not text:
        return _home("HOME is not set")
    folder = Path(text)
    if not folder.is_absolute():
        return _home(f"HOME is {text}, which does not begin with /")
    if not folder.is_dir():
        return _home(f"HOME is {text}, which is no folder")
    if not _can_be_written(folder):
        return _home(f"HOME is {text}, which this user cannot write")
    if ":" in text:
        return _home(f"HOME is {text}: skopeo and umoci can take no path with a colon")
    return fine(text)


def _can_be_written(folder: Path) -> bool:
    """Tried with a file that has no name: what the modes say does not count for root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _home(symptom: str) -> Finding:
    return Finding(
        level=Level.WARN,
        symptom=symptom,
        remedy=Remedy(
            text="set HOME to a folder of yours; or LOCALD_DATA_DIR and LOCALD_CACHE_DIR, and "
            "leave podman's storage out with --output oci:DIR"
        ),
    )


def runtime_dir(host: Host) -> Finding:
    """podman's short-lived files; it finds another place without."""
    text = host.environ.get("XDG_RUNTIME_DIR", "")
    if not text:
        return note("XDG_RUNTIME_DIR is not set, as after su: podman takes another place")
    try:
        status = Path(text).stat()
    except OSError as error:
        return note(
            f"XDG_RUNTIME_DIR is {text}: {error.strerror}; podman takes another place",
            remedy=Remedy(commands=("unset XDG_RUNTIME_DIR",)),
        )
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != host.uid:
        return note(
            f"XDG_RUNTIME_DIR is {text}, which is not this user's: podman takes another place",
            remedy=Remedy(commands=("unset XDG_RUNTIME_DIR",)),
        )
    return fine(text)


def limits(host: Host) -> Finding:
    """ulimit: what is normal for a build would be refused."""
    low = refused_limit()
    if low is not None:
        command = (low.hint,) if low.hint.startswith("prlimit ") else ()
        return host.told(Level.FAIL, low, Remedy(text=low.hint, commands=command))
    for name, kind, least in (
        ("open files (ulimit -n)", resource.RLIMIT_NOFILE, _FEW_FILES),
        ("processes (ulimit -u)", resource.RLIMIT_NPROC, _FEW_PROCESSES),
        ("bytes of a file (ulimit -f)", resource.RLIMIT_FSIZE, _SMALL_FILE_BYTES),
        ("bytes of memory (ulimit -v)", resource.RLIMIT_AS, _SMALL_MEMORY_BYTES),
    ):
        soft, hard = resource.getrlimit(kind)
        if soft == resource.RLIM_INFINITY or soft >= least:
            continue
        letter = name.partition("ulimit ")[2].rstrip(")")
        raise_it = () if 0 <= hard < least else (f"ulimit {letter} {least}",)
        return Finding(
            level=Level.WARN,
            symptom=f"only {soft} {name} are allowed; buildpacks may need more",
            remedy=Remedy(
                text="raise it in /etc/security/limits.conf, or Limit… of a systemd unit",
                commands=raise_it
                if kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
                else (),
            ),
        )
    return fine("high enough")


def cgroups(host: Host) -> Finding:
    """May this user limit a build's memory and processes through cgroups?"""
    if not host.text("/sys/fs/cgroup/cgroup.controllers"):
        hybrid = find_tool(RuntimeName.RUNC) is None
        return note(
            "version 1 or hybrid: limits of a build are those of its processes (rlimits)"
            + ("; podman's crun refuses hybrid ones" if hybrid else ""),
            remedy=Remedy(tools=(RuntimeName.RUNC,)) if hybrid else Remedy(),
        )
    own = next(
        (line[3:] for line in host.text("/proc/self/cgroup").splitlines() if line[:3] == "0::"), "/"
    )
    folder = host.root / "sys/fs/cgroup" / own.lstrip("/")
    controllers = host.text(f"/sys/fs/cgroup/{own.lstrip('/')}/cgroup.controllers").split()
    lacking = {"memory", "pids"} - set(controllers)
    if lacking or not os.access(folder, os.W_OK):
        make = host.distribution
        lines = f"printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | {make.as_root}tee"
        return note(
            "not delegated to this user: limits of a build are those of its processes (rlimits)",
            remedy=Remedy(
                text="with systemd",
                commands=(
                    make.root(f"mkdir -p {Path(_DELEGATE).parent}"),
                    f"{lines} {_DELEGATE}",
                    make.root("systemctl daemon-reload"),
                ),
            ),
        )
    return fine("version 2, delegated")


def selinux(host: Host) -> Finding:
    """The trial ran under it; only its presence is told."""
    if host.text("/sys/fs/selinux/enforce") != "1":
        return fine("not enforcing")
    if host.outcome.works:
        return fine("enforcing, and lets containers work")
    return note(
        "enforcing; it may be what stops containers",
        remedy=Remedy(text="`ausearch -m avc -ts recent` tells", tools=("container-selinux",)),
    )


def mount_propagation(host: Host) -> Finding:
    """Harmless to locald; podman warns about it."""
    for line in host.text("/proc/self/mountinfo").splitlines():
        words = line.split()
        if len(words) > 6 and words[4] == "/":
            return fine("/ is shared" if "shared:" in line else "/ is not shared; harmless")
    return fine("unknown; harmless")


def podman_storage(host: Host) -> Finding:
    """Where `locald build` hands images to podman: writable, and not of the driver vfs?"""
    if find_tool("podman") is None:
        return fine("not used: podman is not installed")
    own_home = host.environ.get("HOME", "/")
    data = host.environ.get("XDG_DATA_HOME") or f"{own_home}/.local/share"
    folder = Path(data) / _PODMAN_STORAGE
    there = nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            level=Level.WARN,
            symptom=f"{there} cannot be written: images cannot be handed to podman",
            remedy=Remedy(text="choose another place for them: locald build --output oci:DIR"),
        )
    config = host.text("/etc/containers/storage.conf") or host.text(
        f"{own_home}/.config/containers/storage.conf"
    )
    used = [name for name in ("overlay", "btrfs", "vfs") if (folder / f"{name}-images").is_dir()]
    if used == ["vfs"]:
        return note(
            "its driver is vfs, which copies every layer for every image: delivery is slow",
            remedy=Remedy(
                text="see docs/troubleshooting.md, Slow delivery to podman; or --output oci:DIR"
            ),
        )
    if not used and "driver" not in config:
        return note(
            "no storage.conf names a driver, and podman before 4.4 then takes vfs, which is slow",
            remedy=Remedy(text="see docs/troubleshooting.md, Slow delivery to podman"),
        )
    return fine(used[0] if used else "not used yet")


def clock(host: Host) -> Finding:
    """Certificates are refused, and caches look new or old, when it is wrong."""
    now = time.time()
    if _THE_PAST <= now < _THE_PAST + _FAR_FUTURE_SECONDS:
        return fine(time.strftime("%Y-%m-%d %H:%M", time.gmtime(now)) + " UTC")
    return Finding(
        level=Level.WARN,
        symptom=f"the clock says {time.strftime('%Y-%m-%d', time.gmtime(now))}: registries' "
        "certificates are refused",
        remedy=Remedy(commands=(host.distribution.root("timedatectl set-ntp true"),)),
    )


def text_encoding(host: Host) -> Finding:
    """Names of files in a source that are no ASCII."""
    encoding = locale.getencoding()
    if encoding.lower().replace("-", "") == "utf8":
        return fine(encoding)
    return note(
        f"this session's encoding is {encoding}; names of files stay as they are, all the same",
        remedy=Remedy(commands=("export LC_ALL=C.UTF-8",)),
    )


def container(host: Host) -> Finding:
    """Is there a container around?"""
    marks = []
    if in_container():
        marks.append("a container")
    if host.text("/proc/self/uid_map").split() != ["0", "0", "4294967295"]:
        marks.append("a user namespace")
    if not marks:
        return fine("no container around")
    return note(f"in {' and '.join(marks)}")


def leftovers(host: Host) -> Finding:
    """What killed builds left; the next one removes it."""
    dead = []
    for folder in (host.paths.work, host.paths.store / "tmp"):
        try:
            entries = tuple(folder.iterdir())
        except OSError:
            continue
        dead += [
            entry
            for entry in entries
            if entry.is_dir() and is_abandoned(entry, older_than_seconds=ABANDONED_SECONDS)
        ]
    if dead:
        return note(f"{len(dead)} folders of builds that were killed; the next build removes them")
    return fine("none")


SURROUNDING_CHECKS = (
    Check(name="home", title="HOME", probe=home),
    Check(name="runtime-dir", title="XDG_RUNTIME_DIR", probe=runtime_dir),
    Check(name="limits", title="Limits of processes", probe=limits),
    Check(name="cgroups", title="Control groups", probe=cgroups),
    Check(name="selinux", title="SELinux", probe=selinux),
    Check(name="mount-propagation", title="Mount propagation", probe=mount_propagation),
    Check(name="podman-storage", title="podman's storage", probe=podman_storage),
    Check(name="clock", title="Clock", probe=clock),
    Check(name="encoding", title="Encoding", probe=text_encoding),
    Check(name="container", title="Container around", probe=container),
    Check(name="leftovers", title="Leftovers", probe=leftovers),
)
