"""Where a benchmark keeps its things, and the environment of everything that it starts."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from locald.paths import CACHE_VARIABLE, CONFIG_VARIABLE, DATA_VARIABLE, Paths

RESULTS = Path(__file__).parent / "results"

# The user's own storage may be on the slow `vfs` driver, and is theirs: we bring our own.
_STORAGE = '[storage]\ndriver = "overlay"\n'
# crun of some distributions refuses hosts with both versions of cgroups; runc is locald's too.
_CONTAINERS = '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folders of one run.

    kept: stays for the next run: tools, podman's storage with the base images.
    work: this run's copies of the samples and its caches.
    runtime: sockets and state; a short path.
    """

    paths: Paths
    kept: Path
    work: Path
    runtime: Path

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make the folders; `work` is gone after the block."""
        paths = Paths.from_environment()
        kept = paths.ensure(paths.cache_dir / "bench")
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        runtime = Path(base, f"locald-bench-{os.getuid()}")
        runtime.mkdir(mode=0o700, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="work-", dir=kept))
        (kept / "storage.conf").write_text(_STORAGE)
        (kept / "containers.conf").write_text(_CONTAINERS)
        for folder in (kept / "data", kept / "config"):
            folder.mkdir(exist_ok=True)
        try:
            yield cls(paths=paths, kept=kept, work=work, runtime=runtime)
        finally:
            _end_pause_process(runtime)
            _remove(work)

    @property
    def environment(self) -> dict[str, str]:
        """Ours, but: the user's store of images, and no other folder of the user's."""
        return {
            **os.environ,
            DATA_VARIABLE: str(self.paths.data_dir),
            CACHE_VARIABLE: str(self.work / "cache"),
            CONFIG_VARIABLE: str(self.kept / "config"),
            "XDG_DATA_HOME": str(self.kept / "data"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "CONTAINERS_STORAGE_CONF": str(self.kept / "storage.conf"),
            "CONTAINERS_CONF": str(self.kept / "containers.conf"),
        }


def _end_pause_process(runtime: Path) -> None:
    """podman leaves a process that holds its user namespace open; this one nobody needs."""
    try:
        pid = int((runtime / "libpod/tmp/pause.pid").read_text())
        if Path("/proc", str(pid), "comm").read_text().startswith("podman"):
            os.kill(pid, signal.SIGKILL)  # it blocks the others
    except (OSError, ValueError):
        return


def _remove(folder: Path) -> None:
    # Toolchains in build caches are read-only, folders included.
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
