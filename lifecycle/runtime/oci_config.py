"""`config.json`: one container in the words of the OCI runtime specification."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.runtime.seccomp import profile
from lifecycle.runtime.spec import ContainerSpec, Mount, Network
from lifecycle.runtime.sysfs import INTERFACE_PATHS
from oci.idmap import IdMap, IdRange

# Podman's lists: parts of /proc and /sys that tell of the host, or act on it.
MASKED_PATHS = (
    "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
    "/sys/dev/block", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
)  # fmt: skip
READ_ONLY_PATHS = (
    "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
)  # fmt: skip

_NO_CAPABILITIES: dict[str, list[str]] = {
    kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What was made on the host for a container before its configuration is written.

    rootfs: its root, a mounted overlay, as the runtime sees it.
    mounts: binds in the spec's order, mounted overlays among them, and our /etc files.
    network_namespace: a namespace file to join; None gives the container a new one, or the
        host's when the spec says so.
    gate: argv of a program that the runtime runs, and waits for, right before the start.
    named: it gets a host name. Else the outer one is seen, as its namespace has copied it.
    new_sysfs: may the runtime mount one, in a network namespace that it has made itself?
    sysfs: one with none of the host's interfaces. Without either the container sees the /sys of
        this process, in which they are hidden.
    """

    rootfs: Path
    mounts: tuple[Mount, ...]
    network_namespace: Path | None = None
    gate: tuple[str, ...] = ()
    named: bool = True
    new_sysfs: bool = True
    sysfs: Path | None = None


def runtime_config(spec: ContainerSpec, id_map: IdMap, prepared: Prepared) -> dict[str, Any]:
    """The whole configuration, ready for json.dumps."""
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        **({"hostname": spec.hostname} if prepared.named else {}),
        "process": _process(spec),
        "root": {"path": str(prepared.rootfs), "readonly": spec.read_only_root},
        "mounts": [*_system_mounts(spec, prepared), *map(_bind, prepared.mounts)],
        "linux": {
            "namespaces": _namespaces(spec, prepared),
            "uidMappings": _mappings(id_map.uids),
            "gidMappings": _mappings(id_map.gids),
            "maskedPaths": [*MASKED_PATHS, *_hidden_interfaces(spec, prepared)],
            "readonlyPaths": list(READ_ONLY_PATHS),
            "seccomp": profile(),
        },
    }
    if prepared.gate:
        config["hooks"] = {
            "createRuntime": [{"path": prepared.gate[0], "args": list(prepared.gate)}]
        }
    return config


def _process(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "terminal": False,
        "user": {"uid": spec.user, "gid": spec.group},
        "args": list(spec.argv),
        "env": [f"{name}={value}" for name, value in spec.env.items()],
        "cwd": str(spec.cwd),
        "capabilities": _NO_CAPABILITIES,
        "noNewPrivileges": True,
        "rlimits": [
            {"type": name, "hard": limit, "soft": limit} for name, limit in spec.rlimits.items()
        ],
    }


def _namespaces(spec: ContainerSpec, prepared: Prepared) -> list[dict[str, str]]:
    kinds = [{"type": kind} for kind in ("user", "mount", "pid", "ipc", "uts", "cgroup")]
    if prepared.network_namespace is not None:
        kinds.append({"type": "network", "path": str(prepared.network_namespace)})
    elif spec.network is not Network.HOST:
        kinds.append({"type": "network"})
    return kinds


def _system_mounts(spec: ContainerSpec, prepared: Prepared) -> list[dict[str, Any]]:
    no_files = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", "proc", no_files),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "noexec", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts", "devpts", "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        _mount("/dev/shm", "tmpfs", "shm", [*no_files, "mode=1777"]),
        _mount("/dev/mqueue", "mqueue", "mqueue", no_files),
        _mount("/sys", "sysfs", "sysfs", [*no_files, "ro"])
        if _mounts_sysfs(spec, prepared)
        else _mount(
            "/sys", "none", str(prepared.sysfs or "/sys"), ["rbind", "rprivate", "rro", *no_files]
        ),
    ]  # fmt: skip


def _mounts_sysfs(spec: ContainerSpec, prepared: Prepared) -> bool:
    """It needs a network namespace that the container's user namespace owns."""
    joins = spec.network is Network.HOST or prepared.network_namespace is not None
    return prepared.new_sysfs and not joins


def _hidden_interfaces(spec: ContainerSpec, prepared: Prepared) -> tuple[str, ...]:
    own = spec.network is Network.HOST or prepared.sysfs is not None
    return () if own or _mounts_sysfs(spec, prepared) else INTERFACE_PATHS


def _bind(mount: Mount) -> dict[str, Any]:
    access = "ro" if mount.read_only else "rw"
    return _mount(
        str(mount.target),
        "none",
        str(mount.source),
        ["rbind", "rprivate", "nodev", "nosuid", access],
    )


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": options}


def _mappings(ranges: tuple[IdRange, ...]) -> list[dict[str, int]]:
    return [{"containerID": r.inside, "hostID": r.outside, "size": r.size} for r in ranges]
