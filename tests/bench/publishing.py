"""Builds whose image goes to a registry of this machine."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from oci.image import decode_manifest
from oci.reference import Reference
from oci.registry_clients import RegistryClients
from oci.store import ImageStore
from tests.bench.figures import Figure
from tests.bench.locald_build import BUILDER, build, locald
from tests.bench.place import Place
from tests.bench.sample import Sample
from tests.bench.scenarios import RUN_IMAGE, open_store, stored
from tests.bench.stopwatch import run_timed
from tests.support.registry import Registry, serve_registry

SideBySide = Callable[[int, Callable[[], float], Callable[[], float]], tuple[float, dict[str, Any]]]

_PROBE = "python-flask"
_BUILDER = Reference.parse(BUILDER)


def published_rebuild(
    place: Place, runs: int, side_by_side: SideBySide
) -> tuple[Figure, dict[str, Any]]:
    """One line changed, into podman's storage and into the registry."""
    here = Sample.copy(_PROBE, place.work / "publish-here")
    there = Sample.copy(_PROBE, place.work / "publish-there")
    with serve_registry(place.work / "registry") as registry:
        _push(place, registry, RUN_IMAGE, "base/run:1")
        run_image = ("--run-image", f"{registry.host}/base/run:1", *registry.flags)

        def changed(sample: Sample, image: str, *options: str) -> float:
            sample.change_line(f"Hello {time.time_ns()}")
            options = (*options, *run_image)
            return build(place, sample, *options, image=image, watch_lifecycle=False).seconds

        ratio, seconds = side_by_side(
            runs,
            lambda: changed(here, "localhost/locald-bench/publish:latest"),
            lambda: changed(there, f"{registry.host}/bench/app:1", "--publish"),
        )
    return Figure(name="changed and published / changed", value=ratio, unit="x", limit=1.3), seconds


def fresh_store(place: Place) -> tuple[Figure, dict[str, Any]]:
    """Neither builder nor run image is here: what a build that publishes fetches of the latter."""
    sample = Sample.copy(_PROBE, place.work / "publish-fresh")
    with serve_registry(place.work / "registry-fresh") as registry, _fresh(place) as fresh:
        for name, to in ((RUN_IMAGE, "base/run:1"), (_BUILDER, "base/builder:1")):
            _push(place, registry, name, to)
        with RegistryClients(registry.registries) as clients:
            found = clients.manifest(registry.reference("base/run:1"))
        if found is None:
            raise FileNotFoundError(f"{registry.host}/base/run:1")
        manifest = decode_manifest(found.data, origin="base/run:1")
        layers = {layer.digest for layer in manifest.layers}
        since = len(registry.asked())
        image = f"{registry.host}/bench/app:1"
        argv = (
            str(locald()), "build", str(sample.folder), "--quiet", "--tag", image, "--publish",
            "--builder", f"{registry.host}/base/builder:1",
            "--run-image", f"{registry.host}/base/run:1", *registry.flags,
        )  # fmt: skip
        timed = run_timed(argv, environment=fresh.environment, folder=place.work)
        asked = [
            request
            for request in registry.asked()[since:]
            if request.method == "GET" and request.path.startswith("/v2/base/run/")
        ]
        fetched = sum(
            r.sent_bytes for r in asked if r.path.rpartition("/")[2].partition("?")[0] in layers
        )
    figure = Figure(
        name="fresh store, published: of the run image's layers",
        value=float(fetched), unit="bytes", limit=0,
    )  # fmt: skip
    return figure, {
        "seconds": round(timed.seconds, 2),
        "run_image_bytes": sum(layer.size for layer in manifest.layers),
        "fetched_of_the_run_image": sum(r.sent_bytes for r in asked),
        "fetched_of_its_layers": fetched,
    }


@contextmanager
def _fresh(place: Place) -> Iterator[Place]:
    """The same place with an empty store."""
    data = place.work / "fresh-data"
    try:
        yield replace(place, paths=replace(place.paths, data_dir=data))
    finally:
        # Unpacked images belong to subordinate ids.
        if shutil.which("podman") is not None:
            subprocess.run(["podman", "unshare", "rm", "-rf", str(data)], check=False)


def _push(place: Place, registry: Registry, name: Reference, to: str) -> None:
    store: ImageStore = open_store(place)
    layout: Path = stored(store, name).layout.path
    argv = (
        "skopeo", "copy", "--quiet", "--dest-tls-verify=false",
        f"oci:{layout}:latest", str(registry.location(to)),
    )  # fmt: skip
    run_timed(argv, environment=place.environment, folder=place.work)
