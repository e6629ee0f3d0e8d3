"""A host as `locald doctor` looks at it, whose /proc, /sys and /etc are files of a test."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from locald.doctor.distribution import Distribution, PackageManager
from locald.doctor.host import Host
from locald.paths import Paths
from oci.process import CommandRunner
from oci.registries import Registries, RegistryAccess

DEBIAN = Distribution(name="Debian", manager=PackageManager.APT, as_root="sudo ")
WHOLE_MAP = "0 0 4294967295\n"
# Not that of whoever runs the tests; it may have no name on this host.
UID = 1000


def make_host(root: Path, files: Mapping[str, str] | None = None, **changes: object) -> Host:
    """files: their paths, such as `/etc/subuid`, and content. changes: of the fields of Host."""
    given = {"/proc/self/uid_map": WHOLE_MAP, **(files or {})}
    given.setdefault("/proc/self/gid_map", given["/proc/self/uid_map"])
    for name, text in given.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    runner = CommandRunner()
    host = Host(
        runner=runner,
        paths=Paths(
            data_dir=root / "data",
            cache_dir=root / "cache",
            config_dir=root / "config",
            state_dir=root / "state",
        ),
        distribution=DEBIAN,
        environ={},
        registries=Registries(runner, RegistryAccess),
        uid=UID,
        root=root,
    )
    return replace(host, **changes)  # type: ignore[arg-type]
