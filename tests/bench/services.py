"""Four services of one project: two at a time beside one after another."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, paired_ratio
from tests.bench.locald_build import BUILDER, locald
from tests.bench.place import Place
from tests.bench.sample import Sample
from tests.bench.stopwatch import run_timed

SERVICES = ("python-flask", "node-express", "procfile-python", "static-site")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with a service for each of the samples."""

    folder: Path
    samples: tuple[Sample, ...]

    @classmethod
    def make(cls, folder: Path) -> "Project":
        """Copy the samples and write locald.toml."""
        folder.mkdir(parents=True)
        samples = tuple(Sample.copy(name, folder / name) for name in SERVICES)
        (folder / "locald.toml").write_text(
            "".join(
                f'[service.{name}]\npath = "{name}"\nbuild = {{ tags = ["locald-bench/{name}"] }}\n'
                for name in SERVICES
            )
        )
        return cls(folder=folder, samples=samples)

    def build(self, place: Place, *, jobs: int, from_scratch: bool) -> float:
        """Seconds for all four, a line of each changed before."""
        for sample in self.samples:
            sample.change_line(f"Hello {time.time_ns()}")
        argv = (
            str(locald()), "build", str(self.folder), "--quiet",
            "--builder", BUILDER,
            "--jobs", str(jobs),
            *(("--clear-cache",) if from_scratch else ()),
        )  # fmt: skip
        return run_timed(argv, environment=place.environment, folder=place.work).seconds


def services_from_scratch(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    """What CI does: nothing of the services is there yet."""
    return _side_by_side(place, "from scratch", max(3, runs // 2), from_scratch=True, limit=0.65)


def services_changed(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    """A line of each changed: short builds that keep both cores busy one after another, too."""
    return _side_by_side(place, "changed", runs, from_scratch=False, limit=None)


def _side_by_side(
    place: Place, kind: str, runs: int, *, from_scratch: bool, limit: float | None
) -> tuple[Figure, dict[str, Any]]:
    project = Project.make(place.work / f"services {kind}")
    one, two = [], []
    project.build(place, jobs=2, from_scratch=True)
    for _ in range(runs):
        one.append(project.build(place, jobs=1, from_scratch=from_scratch))
        two.append(project.build(place, jobs=2, from_scratch=from_scratch))
    figure = Figure(
        name=f"four services {kind}, --jobs 2 / --jobs 1",
        value=paired_ratio(two, one),
        unit="x",
        limit=limit,
    )
    return figure, {"jobs 1": one, "jobs 2": two}
