"""`make bench`: builds of the samples, measured one after another on this machine.

cold     nothing of the project is there yet (the builder is unpacked already)
warm     nothing changed since the last build; the phases run all the same
changed  one line of the source changed
unchanged  nothing changed, and --if-changed says not to run the phases then
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.figures import (
    Figure,
    median,
    paired_ratio,
    print_figures,
    print_table,
    write_results,
)
from tests.bench.locald_build import BUILDER, BuildRun, build, locald
from tests.bench.place import Place
from tests.bench.publishing import fresh_store, published_rebuild
from tests.bench.sample import Sample, sample_names
from tests.bench.scenarios import (
    LARGE_RUN_IMAGE,
    RUN_IMAGE,
    add_excluded_files,
    add_excluded_folder,
    make_large_run_image,
    open_store,
    stored,
)
from tests.bench.services import services_changed, services_from_scratch
from tests.bench.stopwatch import RunFailed, run_timed

# The sample of the measurements that compare one build with another.
_PROBE = "python-flask"
_PHASES = ("analyze", "detect", "restore", "build", "export")

MIB = 1 << 20


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; 1 when a run failed, whatever the figures say."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--samples", nargs="+", default=sample_names(), choices=sample_names())
    parser.add_argument("--runs", type=int, default=7, help="of each kind of warm build")
    parser.add_argument("--skip-scenarios", action="store_true", help="only the samples")
    parser.add_argument("--peers", action="store_true", help="python -m tests.bench.peers instead")
    options = parser.parse_args(arguments)
    if options.peers:
        return peers.main([])
    try:
        with Place.open() as place:
            _run(place, options)
    except (RunFailed, FileNotFoundError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _run(place: Place, options: argparse.Namespace) -> None:
    stored(open_store(place), RUN_IMAGE)
    figures, document = _start_of_locald(place, runs=max(11, options.runs))
    builds = _builds_of_samples(place, options.samples, runs=options.runs)
    figures += _print_samples(builds)
    document["samples"] = {
        name: {kind: [run.document() for run in runs] for kind, runs in kinds.items()}
        for name, kinds in builds.items()
    }
    if not options.skip_scenarios:
        scenarios = (
            _larger_run_image,
            _excluded_folder,
            _excluded_files,
            _published_rebuild,
            _fresh_store,
            services_from_scratch,
            services_changed,
        )
        for scenario in scenarios:
            figure, runs = scenario(place, options.runs)
            figures.append(figure)
            document.setdefault("scenarios", {})[figure.name] = runs
    print_figures("Against the goals", figures)
    path = write_results("bench", document, figures)
    print(f"\nwritten: {path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else path)


def _start_of_locald(place: Place, *, runs: int) -> tuple[list[Figure], dict[str, Any]]:
    """`locald --version` beside an interpreter that does nothing, and the imports of a build."""
    commands = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "locald --version": (str(locald()), "--version"),
        "import of the build command": (
            sys.executable,
            "-c",
            "import locald.cli.build, locald.build.pipeline",
        ),
        "locald build --help": (str(locald()), "build", "--help"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, argv in commands.items():
            timed = run_timed(argv, environment=place.environment, folder=Path.cwd())
            if turn:  # the first one fills caches
                seconds[name].append(timed.seconds)
    nothing = seconds["python -c pass"]
    print_table(
        "Start",
        ("command", "seconds", "x python -c pass"),
        [
            (name, f"{median(values):.3f}", f"{paired_ratio(values, nothing):.1f}")
            for name, values in seconds.items()
        ],
    )
    ratio = paired_ratio(seconds["locald --version"], nothing)
    figure = Figure(name="locald --version / python -c pass", value=ratio, unit="x", limit=5)
    return [figure], {"start": {name: [round(s, 4) for s in v] for name, v in seconds.items()}}


Builds = dict[str, dict[str, list[BuildRun]]]


def _builds_of_samples(place: Place, names: Sequence[str], *, runs: int) -> Builds:
    """Cold once, then warm and changed in turn, all samples in each round."""
    samples = [Sample.copy(name, place.work / "samples" / name) for name in names]
    kinds = ("cold", "warm", "changed", "unchanged")
    builds: Builds = {name: {kind: [] for kind in kinds} for name in names}
    for sample in samples:
        _tell(f"{sample.name}: cold")
        sample.change_line(f"Hello {time.time_ns()}")
        cold = build(place, sample, "--clear-cache", image=_image(sample.name))
        builds[sample.name]["cold"].append(cold)
        # The first build that finds a cache sorts it out; not what every later one does.
        build(place, sample, image=_image(sample.name))
    for turn in range(runs):
        for sample in samples:
            _tell(f"{sample.name}: warm and changed, {turn + 1} of {runs}")
            builds[sample.name]["warm"].append(build(place, sample, image=_image(sample.name)))
            sample.change_line(f"Hello {time.time_ns()}")
            builds[sample.name]["changed"].append(build(place, sample, image=_image(sample.name)))
    for sample in samples:
        _tell(f"{sample.name}: unchanged")
        for turn in range(runs + 1):
            run = build(
                place, sample, "--if-changed", image=_image(sample.name), watch_lifecycle=False
            )
            if turn:  # the first one leaves the record
                builds[sample.name]["unchanged"].append(run)
    return builds


def _print_samples(builds: Builds) -> list[Figure]:
    rows, phases, figures = [], [], []
    for name, kinds in builds.items():
        overheads = [run.overhead for run in kinds["warm"]]
        starts = [run.start for run in kinds["warm"] + kinds["changed"]]
        peak = max(run.peak_memory_bytes for runs in kinds.values() for run in runs) / MIB
        rows.append(
            (
                name,
                *(f"{median([run.seconds for run in kinds[kind]]):.2f}" for kind in kinds),
                f"{median(overheads):.2f}",
                f"{median(starts):.2f}",
                f"{median([run.steps['deliver'] for run in kinds['warm']]):.2f}",
                f"{peak:.0f} MiB",
            )
        )
        for kind, runs in kinds.items():
            if kind == "unchanged":  # no phase runs
                continue
            cells = [
                f"{median([run.phases[p] for run in runs]):.2f} "
                f"({median([run.lifecycle.get(p, 0.0) for run in runs]):.2f})"
                for p in _PHASES
            ]
            phases.append((f"{name} {kind}", *cells))
        figures += [
            Figure(name=f"{name}: platform's overhead, warm", value=median(overheads), unit="s",
                   limit=0.5),
            Figure(name=f"{name}: of which locald's own start and end", value=median(starts),
                   unit="s", limit=0.2),
            Figure(name=f"{name}: unchanged input, --if-changed", unit="s", limit=0.5,
                   value=median([run.seconds for run in kinds["unchanged"]])),
            Figure(name=f"{name}: locald's own memory", value=peak, unit="MiB", limit=100),
        ]  # fmt: skip
    print_table(
        "Builds, seconds (medians)",
        (
            "sample",
            "cold",
            "warm",
            "changed",
            "unchanged",
            "overhead",
            "start",
            "deliver",
            "memory",
        ),
        rows,
    )
    print_table(
        "Phases, seconds with the container (the lifecycle's program alone)",
        ("build", *_PHASES),
        phases,
    )
    return figures


def _larger_run_image(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    _tell("a run image three times as large")
    factor = make_large_run_image(place)
    plain = Sample.copy(_PROBE, place.work / "base-plain")
    large = Sample.copy(_PROBE, place.work / "base-large")
    ratio, seconds = _side_by_side(
        runs,
        lambda: _warm(place, plain, "--run-image", str(RUN_IMAGE)),
        lambda: _warm(place, large, "--run-image", str(LARGE_RUN_IMAGE)),
    )
    name = f"warm, run image {factor:.1f} times as large"
    return Figure(name=name, value=ratio, unit="x", limit=1.1), seconds


def _excluded_folder(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    _tell("1 GB in an excluded folder")
    plain = Sample.copy(_PROBE, place.work / "folder-plain")
    (plain.folder / "node_modules").mkdir()
    full = Sample.copy(_PROBE, place.work / "folder-full")
    add_excluded_folder(full.folder)
    ratio, seconds = _side_by_side(runs, lambda: _warm(place, plain), lambda: _warm(place, full))
    name = "warm, 1 GB in an excluded folder"
    return Figure(name=name, value=ratio, unit="x", limit=1.05), seconds


def _excluded_files(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    _tell("1 GB in files excluded by a pattern")
    plain = Sample.copy(_PROBE, place.work / "files-plain")
    full = Sample.copy(_PROBE, place.work / "files-full")
    add_excluded_files(full.folder)
    (plain.folder / "project.toml").write_bytes((full.folder / "project.toml").read_bytes())
    ratio, seconds = _side_by_side(runs, lambda: _warm(place, plain), lambda: _warm(place, full))
    name = "warm, 1 GB in 1,024 files excluded by a pattern"
    return Figure(name=name, value=ratio, unit="x", limit=1.05), seconds


def _published_rebuild(place: Place, runs: int) -> tuple[Figure, dict[str, Any]]:
    _tell("a changed line, into podman's storage and into a registry")
    return published_rebuild(place, runs, _side_by_side)


def _fresh_store(place: Place, _: int) -> tuple[Figure, dict[str, Any]]:
    _tell("an empty store, into a registry")
    return fresh_store(place)


def _side_by_side(
    runs: int, one: Callable[[], float], other: Callable[[], float]
) -> tuple[float, dict[str, Any]]:
    """In turn, the order swapped each time; the first two pairs fill caches."""
    ones: list[float] = []
    others: list[float] = []
    for turn in range(runs + 2):
        pair = [(ones, one), (others, other)]
        for seconds, run in pair if turn % 2 else reversed(pair):
            seconds.append(run())
    ones, others = ones[2:], others[2:]
    return paired_ratio(others, ones), {
        "plain": [round(s, 4) for s in ones],
        "with": [round(s, 4) for s in others],
    }


def _warm(place: Place, sample: Sample, *options: str) -> float:
    image = _image(sample.folder.name)
    return build(place, sample, *options, image=image, watch_lifecycle=False).seconds


def _image(name: str) -> str:
    return f"localhost/locald-bench/{name}:latest"


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    _tell(f"builder {BUILDER}")
    raise SystemExit(main(sys.argv[1:]))
