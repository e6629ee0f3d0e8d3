"""A host as `locald doctor` looks at it, whose /proc, /sys and /etc are files of a test."""

import os
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


def make_host(root: Path, files: Mapping[str, str] | None = None, **changes: object) -> Host:
    """files: their paths, such as `/etc/subuid`, and content. changes: of the fields of Host."""
    for name, text in {"/proc/self/uid_map": WHOLE_MAP, **(files or {})}.items():
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
        uid=os.getuid() or 1000,
        root=root,
    )
    return replace(host, **changes)  # type: ignore[arg-type]
