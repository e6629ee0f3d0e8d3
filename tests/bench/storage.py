"""podman's storage of the benchmark: the same base images for every peer, and podman's socket."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oci.location import ImageLocation
from oci.process import Command, CommandRunner
from oci.reference import Reference
from tests.bench.locald_build import BUILDER
from tests.bench.place import Place
from tests.bench.scenarios import RUN_IMAGE, open_store, stored
from tests.bench.stopwatch import RunFailed

# pack takes a name without a dot or a port for one of Docker Hub's.
HOST = "locald.invalid"
BUILDER_IN_STORAGE = f"{HOST}/builder:embedded"
RUN_IN_STORAGE = f"{HOST}/run:embedded"
_BASES = {BUILDER_IN_STORAGE: Reference.parse(BUILDER), RUN_IN_STORAGE: RUN_IMAGE}


def load_bases(place: Place, runner: CommandRunner) -> None:
    """Builder and run image from locald's store into the storage, unless they are there."""
    store = open_store(place)
    for name, reference in _BASES.items():
        image = stored(store, reference)
        known = place.kept / f"loaded-{reference.repository.replace('/', '-')}"
        present = runner.run(_podman(place, "image", "exists", name), check=False)
        if present.exit_code == 0 and known.is_file() and known.read_text() == str(image.digest):
            continue
        source = ImageLocation.layout(image.layout.path, "latest")
        target = ImageLocation.storage(Reference.parse(name))
        runner.run(
            Command(
                argv=("skopeo", "copy", "--quiet", str(source), str(target)),
                env=place.environment,
            )
        )
        known.write_text(str(image.digest))


def remove_other_images(place: Place, runner: CommandRunner) -> None:
    """Leave the base images only: podman looks for cached layers among all images."""
    listed = runner.run(_podman(place, "image", "list", "--format", "{{.Repository}}:{{.Tag}}"))
    names = {line for line in listed.text.split() if "<none>" not in line} - set(_BASES)
    if names:
        runner.run(_podman(place, "image", "rm", "--force", *sorted(names)), check=False)
    runner.run(_podman(place, "image", "prune", "--force"), check=False)


@contextmanager
def podman_socket(place: Place) -> Iterator[str]:
    """A rootless podman service for the block; yields the value of DOCKER_HOST."""
    socket = place.runtime / "podman.sock"
    socket.unlink(missing_ok=True)
    with Path(place.work / "podman-service.log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"],
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 30
            while not socket.exists():
                if service.poll() is not None or time.monotonic() > deadline:
                    raise RunFailed(f"podman's socket did not appear: see {log.name}")
                time.sleep(0.05)
            yield f"unix://{socket}"
        finally:
            service.terminate()
            try:
                service.wait(timeout=10)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()


def _podman(place: Place, *arguments: str) -> Command:
    return Command(argv=("podman", *arguments), env=place.environment)
