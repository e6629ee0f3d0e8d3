"""One `locald build`, measured."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.place import Place
from tests.bench.sample import Sample
from tests.bench.stopwatch import run_timed

BUILDER = "localhost/locald/builder:embedded"


@dataclass(frozen=True, kw_only=True)
class BuildRun:
    """One build.

    seconds: the whole process, from its start to its exit.
    phases: wall time of each phase with its container; lifecycle: of its program alone.
    steps: what the platform did besides. inside: from the first step to the last.
    """

    seconds: float
    phases: Mapping[str, float]
    lifecycle: Mapping[str, float]
    steps: Mapping[str, float]
    inside: float
    peak_memory_bytes: int

    @property
    def overhead(self) -> float:
        """What is not the lifecycle's own time."""
        return self.seconds - sum(self.lifecycle.values())

    @property
    def start(self) -> float:
        """Starting and ending locald itself: interpreter, imports, configuration, output."""
        return self.seconds - self.inside

    def document(self) -> dict[str, Any]:
        """For the JSON of results."""
        return {
            "seconds": round(self.seconds, 4),
            "overhead_seconds": round(self.overhead, 4),
            "start_seconds": round(self.start, 4),
            "phases": {name: round(s, 4) for name, s in self.phases.items()},
            "lifecycle": {name: round(s, 4) for name, s in self.lifecycle.items()},
            "steps": {name: round(s, 4) for name, s in self.steps.items()},
            "peak_memory_bytes": self.peak_memory_bytes,
        }


def build(
    place: Place, sample: Sample, *options: str, image: str, watch_lifecycle: bool = True
) -> BuildRun:
    """Build the sample with the embedded builder into podman's storage."""
    report = place.work / "report.json"
    argv = (
        str(locald()),
        "build",
        str(sample.folder),
        "--quiet",
        "--tag", image,
        "--builder", BUILDER,
        "--report", str(report),
        *options,
    )  # fmt: skip
    timed = run_timed(
        argv,
        environment=place.environment,
        folder=place.work,
        watch_lifecycle=watch_lifecycle,
    )
    told = json.loads(report.read_text())
    return BuildRun(
        seconds=timed.seconds,
        phases={phase["name"]: phase["seconds"] for phase in told["phases"]},
        lifecycle=timed.lifecycle,
        steps=told["steps"],
        inside=told["seconds"],
        peak_memory_bytes=timed.peak_memory_bytes,
    )


def locald() -> Path:
    """The console script of this Python environment, else the one on PATH."""
    beside = Path(sys.executable).with_name("locald")
    found = str(beside) if beside.is_file() else shutil.which("locald")
    if found is None:
        raise FileNotFoundError("locald is not installed here: make venv")
    return Path(found)
