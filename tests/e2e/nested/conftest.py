"""An image for outer containers, locald to mount into them, a builder as OCI layouts."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.e2e import Installation, make_app
from tests.support.outer_container import OuterImage, make_wheels
from tests.support.tiny_builder import RUN_IMAGE, make_tiny_builder


@dataclass(frozen=True, kw_only=True)
class Images:
    """A folder with a small builder and its run image, as they are given to the outer container.

    name: of the builder, in the store of this host.
    """

    folder: Path
    name: str

    def flags(self, folder: str) -> tuple[str, ...]:
        """What makes a build use them where they are seen as `folder`."""
        return ("--builder", f"oci:{folder}/builder", "--run-image", f"oci:{folder}/run")


@pytest.fixture(scope="session")
def outer() -> OuterImage:
    return OuterImage.ready()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheels(tmp_path_factory.mktemp("wheels") / "wheels")


@pytest.fixture(scope="session")
def program(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """locald and what it needs, for PYTHONPATH in the container. A wheel is an archive of that."""
    folder = readable(tmp_path_factory.mktemp("program"))
    for wheel in wheels.glob("*.whl"):
        shutil.unpack_archive(wheel, folder, format="zip")
    return folder


@pytest.fixture(scope="session")
def images(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = readable(tmp_path_factory.mktemp("images"))
    name = make_tiny_builder(installation, tmp_path_factory.mktemp("tiny")).name
    copy_layout(installation, name, folder / "builder")
    copy_layout(installation, str(RUN_IMAGE), folder / "run")
    return Images(folder=folder, name=name)


@dataclass(frozen=True, kw_only=True)
class TinyApp:
    """digest: of its image, as it is built on this host. The image holds what the build saw of its
    container."""

    folder: Path
    digest: str


@pytest.fixture(scope="session")
def tiny_app(
    installation: Installation, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> TinyApp:
    facts = "{ id -u; grep -E '^(Seccomp|NoNewPrivs|CapBnd):' /proc/self/status; } >facts"
    folder = make_app(tmp_path_factory.mktemp("app") / "site", {"build.sh": f"{facts}\n"})
    run_image = f"oci:{images.folder}/run"
    built = installation.build(folder, "--builder", images.name, "--run-image", run_image)
    return TinyApp(folder=folder, digest=built.digest)


def readable(folder: Path) -> Path:
    """For every user of a container; pytest makes folders for us alone."""
    folder.chmod(0o755)
    return folder


def copy_layout(installation: Installation, name: str, target: Path) -> None:
    """An image of the store as a layout of its own."""
    source = f"oci:{installation.layout_of(name).path}"
    subprocess.run(["skopeo", "copy", "--quiet", source, f"oci:{target}"], check=True)
