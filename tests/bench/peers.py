"""`make bench-peers`: the same source on the same base images with locald, podman build and pack.

In each round every peer builds after the same changed line, then again without a change, one
peer after the other; so whatever else the machine does, it does to all of them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.ca_bundle import BUNDLE_PATHS, host_bundle, variables
from oci.errors import Error
from oci.process import CommandRunner
from tests.bench.figures import Figure, median, paired_ratio, print_figures, write_results
from tests.bench.figures import print_table as _print_table
from tests.bench.locald_build import build
from tests.bench.pack import VERSION, pack_program
from tests.bench.place import Place
from tests.bench.sample import Sample, sample_names
from tests.bench.stopwatch import RunFailed, run_timed
from tests.bench.storage import (
    BUILDER_IN_STORAGE,
    HOST,
    RUN_IN_STORAGE,
    load_bases,
    podman_socket,
    remove_other_images,
)

_DOCKERFILES = Path(__file__).parent / "dockerfiles"
_LOCALD, _PODMAN, _PACK = "locald", "podman build", "pack"
_DEFAULT_SAMPLES = ("python-flask", "node-express", "rust-axum")
_INSIDE = BUNDLE_PATHS[0]

Seconds = dict[str, list[float]]
"""Kind of build → one figure a round."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What locald's changed-line build may take, as a part of a peer's."""

    of_pack: float | None
    of_podman: float


_LIMITS: Mapping[str, Limits] = {
    "python-flask": Limits(of_pack=1 / 6, of_podman=1.5),
    "node-express": Limits(of_pack=1 / 6, of_podman=1.5),
    "rust-axum": Limits(of_pack=None, of_podman=1.0),
}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One way to build, with its own copy of the source. `build` returns seconds."""

    name: str
    sample: Sample
    build: Callable[[], float]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; 1 when a build failed, whatever the figures say."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--samples", nargs="+", default=_DEFAULT_SAMPLES, choices=sample_names())
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    try:
        with Place.open() as place:
            _run(place, options.samples, options.runs)
    except (RunFailed, FileNotFoundError, Error) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _run(place: Place, names: Sequence[str], runs: int) -> None:
    runner = CommandRunner()
    _tell(f"pack {VERSION}")
    pack = pack_program(place, runner)
    _tell("base images into podman's storage")
    load_bases(place, runner)
    remove_other_images(place, runner)
    figures: list[Figure] = []
    measured: dict[str, dict[str, Seconds]] = {}
    try:
        with podman_socket(place) as socket:
            for name in names:
                peers = [
                    _locald(place, name),
                    _podman(place, name),
                    _pack(place, name, pack, socket),
                ]
                measured[name] = _race(peers, runs=runs)
                figures += _compare(name, measured[name])
    finally:
        remove_other_images(place, runner)
    print_figures("Against the goals (locald ÷ peer, changed line; medians of pairs)", figures)
    document: dict[str, Any] = {"pack": VERSION, "samples": measured}
    path = write_results("peers", document, figures)
    print(f"\nwritten: {path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else path)


def _race(peers: Sequence[Peer], *, runs: int) -> dict[str, Seconds]:
    seconds: dict[str, Seconds] = {p.name: {"cold": [], "changed": [], "warm": []} for p in peers}
    for peer in peers:
        _tell(f"{peer.sample.name}: {peer.name}, cold")
        seconds[peer.name]["cold"].append(peer.build())
    # Once more, uncounted: the first build that finds a cache may sort it out.
    for turn in range(-1, runs):
        greeting = f"Hello {time.time_ns()}"
        first = turn % len(peers)
        for peer in (*peers[first:], *peers[:first]):
            _tell(f"{peer.sample.name}: {peer.name}, {turn + 1} of {runs}")
            peer.sample.change_line(greeting)
            for kind in ("changed", "warm"):
                taken = peer.build()
                if turn >= 0:
                    seconds[peer.name][kind].append(taken)
    return seconds


def _compare(name: str, seconds: Mapping[str, Seconds]) -> list[Figure]:
    _print_table(
        f"{name}, seconds (medians)",
        ("", "cold", "changed", "warm"),
        [
            (peer, *(f"{median(kinds[kind]):.2f}" for kind in ("cold", "changed", "warm")))
            for peer, kinds in seconds.items()
        ],
    )
    ours = seconds[_LOCALD]["changed"]
    limits = _LIMITS.get(name)
    return [
        Figure(
            name=f"{name}: locald ÷ {peer}",
            value=paired_ratio(ours, seconds[peer]["changed"]),
            unit="x",
            limit=limit,
        )
        for peer, limit in (
            (_PACK, limits.of_pack if limits else None),
            (_PODMAN, limits.of_podman if limits else None),
        )
    ]


def _locald(place: Place, name: str) -> Peer:
    sample = Sample.copy(name, place.work / "locald" / name)
    image = f"localhost/locald-bench/peer-{name}:latest"
    first = iter(("--clear-cache",))

    def run() -> float:
        options = (*first,)  # the first build only
        return build(place, sample, *options, image=image, watch_lifecycle=False).seconds

    return Peer(name=_LOCALD, sample=sample, build=run)


def _podman(place: Place, name: str) -> Peer:
    sample = Sample.copy(name, place.work / "podman" / name)
    argv = (
        "podman", "build", "--quiet",
        "--pull=never",
        "--build-arg", f"BUILDER={BUILDER_IN_STORAGE}",
        "--build-arg", f"RUN={RUN_IN_STORAGE}",
        *_certificates(),
        "--file", str(_DOCKERFILES / f"{name}.Dockerfile"),
        "--tag", f"{HOST}/podman-{name}:latest",
        str(sample.folder),
    )  # fmt: skip
    # What an earlier run of the benchmark left must not make the first build warm.
    cold = iter((("--no-cache",),))

    def run() -> float:
        options = next(cold, ())
        words = (*argv[:2], *options, *argv[2:])
        return run_timed(words, environment=place.environment, folder=place.work).seconds

    return Peer(name=_PODMAN, sample=sample, build=run)


def _pack(place: Place, name: str, program: Path, socket: str) -> Peer:
    sample = Sample.copy(name, place.work / "pack-samples" / name)
    environment = {
        **place.environment,
        "DOCKER_HOST": socket,
        "PACK_HOME": str(place.work / "pack-home"),
    }
    bundle = variables(_INSIDE) if host_bundle(None) is not None else {}
    argv = (
        str(program), "build", f"{HOST}/pack-{name}:latest",
        "--path", str(sample.folder),
        "--builder", BUILDER_IN_STORAGE,
        "--run-image", RUN_IN_STORAGE,
        "--pull-policy", "never",
        "--trust-builder",
        "--docker-host", "inherit",
        "--quiet",
        *_certificates(),
        *(word for key, value in bundle.items() for word in ("--env", f"{key}={value}")),
    )  # fmt: skip
    cold = iter((("--clear-cache",),))

    def run() -> float:
        words = (*argv, *next(cold, ()))
        return run_timed(words, environment=environment, folder=place.work).seconds

    return Peer(name=_PACK, sample=sample, build=run)


def _certificates() -> tuple[str, ...]:
    """The host's CA bundle for peers that do not bring it along themselves."""
    host = host_bundle(None)
    return () if host is None else ("--volume", f"{host.resolve()}:{_INSIDE}:ro")


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
