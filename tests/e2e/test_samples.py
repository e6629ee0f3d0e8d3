"""Every sample application: built, run, its page fetched; changed and built again."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from locald.paths import Paths
from oci.locks import exclusive
from tests.support.cli import Locald
from tests.support.e2e import SAMPLES, Installation
from tests.support.free_port import free_port
from tests.support.web_page import fetch_page

NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
# A cold build of these fetches no toolchain.
QUICK_WHEN_COLD = ("static-site", "python-flask")


@pytest.fixture(scope="module")
def samples(installation: Installation) -> Iterator[Installation]:
    """With caches that outlive the session: toolchains are fetched once per machine."""
    caches = Paths.from_environment().cache_dir
    with exclusive(caches / "e2e-samples/lock", what="the samples"):
        yield installation.with_caches(caches)


@pytest.fixture
def sample(request: pytest.FixtureRequest, samples: Installation) -> Path:
    """A copy of the sample that the test is parametrised with; its path never changes."""
    folder = samples.paths.cache_dir / "e2e-samples" / str(request.param)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SAMPLES / str(request.param), folder)
    return folder


def change_one_line(folder: Path) -> None:
    """As a person would: the greeting, wherever it stands."""
    changed = 0
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if path.is_file() and "Hello from" in (text := path.read_text()):
            path.write_text(text.replace("Hello from", "Hello again from"))
            changed += 1
    assert changed == 1, changed


@contextmanager
def running(locald: Locald, image: str, *flags: str) -> Iterator[str]:
    """Run the image with `locald run`; gives its page."""
    port = free_port()
    with locald.start("run", image, "--port", str(port), *flags) as application:
        yield fetch_page(port, alive=application.running)
        application.send(signal.SIGINT)
        assert application.finish(seconds=30).code in (0, 130)


def page_by_podman(image: str) -> str:
    """What a container tool that knows nothing of us gets out of the image."""
    port = free_port()
    argv = ["podman", "--runtime", "runc", "run", "--detach", "--rm", "--env", "PORT=8080"]
    argv += ["--publish", f"127.0.0.1:{port}:8080", image]
    started = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        return fetch_page(port, alive=lambda: exists(container))
    finally:
        remove = ["podman", "--runtime", "runc", "rm", "--force", "--time", "0", container]
        subprocess.run(remove, capture_output=True, check=False)


def exists(container: str) -> bool:
    argv = ["podman", "container", "exists", container]
    return subprocess.run(argv, check=False).returncode == 0


def delivered(samples: Installation, sample: Path) -> str:
    """The flag that puts the image where podman finds it."""
    return f"containers-storage:{samples.name(sample)}"


@pytest.mark.parametrize("sample", NAMES, indirect=True)
def test_a_sample_is_built_and_serves_its_page_and_a_changed_line_changes_the_page(
    samples: Installation, sample: Path
) -> None:
    first = samples.build(sample, "--output", delivered(samples, sample))
    image = samples.name(sample)
    with running(samples.locald, image) as page:
        assert "Hello from" in page
        assert sample.name in page

    assert samples.build(sample).digest == first.digest, "nothing changed, but the image did"

    change_one_line(sample)
    second = samples.build(sample, "--output", delivered(samples, sample))
    assert second.digest != first.digest
    with running(samples.locald, image) as page:
        assert "Hello again from" in page
    assert "Hello again from" in page_by_podman(image)


@pytest.mark.parametrize("sample", QUICK_WHEN_COLD, indirect=True)
def test_a_build_without_cache_and_previous_image_gives_the_same_digest(
    samples: Installation, sample: Path
) -> None:
    warm = samples.build(sample)
    assert samples.build(sample, "--clear-cache").digest == warm.digest


@pytest.mark.parametrize("sample", ["static-site"], indirect=True)
@pytest.mark.parametrize("runtime", ["runc", "bwrap", "podman"])
def test_an_image_that_podman_does_not_have_runs_from_the_store(
    samples: Installation, sample: Path, runtime: str
) -> None:
    samples.build(sample)
    with running(samples.locald, samples.name(sample), "--runtime", runtime) as page:
        assert "Hello from" in page
