"""How a build gets its images: from the store, from a registry, or not at all."""

from pathlib import Path

import pytest

from lifecycle.builder import BuilderImage, RunImageChoice
from locald.build.acquire import acquire_builder, acquire_run_image, name_of
from locald.cli.console import Console, Verbosity
from locald.config.pull_policy import PullPolicy
from oci.errors import ImageError, RegistryError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.fake_tools import FakeTools
from tests.support.images import make_image

HOST = Platform.of_host()
OBSERVER = Console(verbosity=Verbosity.QUIET)
BUILDER = Reference.parse("registry.example/builder:1")
RUN, MIRROR = Reference.parse("registry.example/run:1"), Reference.parse("mirror.example/run:1")
METADATA = BuilderImage(
    uid=1000,
    gid=1000,
    env={},
    platform_apis=(),
    lifecycle_version="",
    run_images=(RunImageChoice(str(RUN), (str(MIRROR),)),),
    buildpacks=(),
    order=(),
    stack_id="",
    distro="",
    description="",
)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store", Skopeo(CommandRunner()))


def keep(store: ImageStore, folder: Path, reference: Reference) -> None:
    store.commit(make_image(folder, files={"a": str(reference)}), (reference,), HOST)


def run_image(store: ImageStore, policy: PullPolicy) -> Reference:
    name, _ = acquire_run_image(store, METADATA, None, HOST, policy, OBSERVER, registries=())
    return name


@pytest.mark.parametrize("policy", [PullPolicy.IF_NOT_PRESENT, PullPolicy.NEVER])
def test_what_the_store_has_is_not_asked_for(
    store: ImageStore, tmp_path: Path, fake_tools: FakeTools, policy: PullPolicy
) -> None:
    skopeo = fake_tools.install("skopeo", exit_code=1)
    keep(store, tmp_path / "b", BUILDER)
    keep(store, tmp_path / "r", MIRROR)
    assert acquire_builder(store, BUILDER, HOST, policy, OBSERVER).reference == BUILDER
    assert run_image(store, policy) == MIRROR
    assert skopeo.calls == ()


def test_always_asks_the_registry(store: ImageStore, tmp_path: Path, fake_tools: FakeTools) -> None:
    skopeo = fake_tools.install("skopeo", exit_code=1, stderr="manifest unknown\n")
    keep(store, tmp_path / "b", BUILDER)
    with pytest.raises(RegistryError, match=r"registry\.example/builder:1 does not exist"):
        acquire_builder(store, BUILDER, HOST, PullPolicy.ALWAYS, OBSERVER)
    assert f"docker://{BUILDER}" in skopeo.call.arguments


@pytest.mark.parametrize("policy", PullPolicy)
def test_an_image_that_no_registry_has_is_only_looked_for_here(
    store: ImageStore, tmp_path: Path, fake_tools: FakeTools, policy: PullPolicy
) -> None:
    skopeo = fake_tools.install("skopeo", exit_code=1)
    local = Reference.parse("builder:1", default_registry="localhost")
    with pytest.raises(ImageError, match="is not in the store, and no registry has it") as caught:
        acquire_builder(store, local, HOST, policy, OBSERVER)
    assert "locald builder create" in caught.value.hint
    keep(store, tmp_path / "b", local)
    assert acquire_builder(store, local, HOST, policy, OBSERVER).reference == local
    assert skopeo.calls == ()


def test_never_means_never(store: ImageStore, fake_tools: FakeTools) -> None:
    skopeo = fake_tools.install("skopeo", exit_code=1)
    with pytest.raises(ImageError, match="--pull-policy is never"):
        acquire_builder(store, BUILDER, HOST, PullPolicy.NEVER, OBSERVER)
    with pytest.raises(ImageError, match="--pull-policy is never"):
        run_image(store, PullPolicy.NEVER)
    assert skopeo.calls == ()


def test_mirrors_are_tried_and_the_first_reason_is_told(
    store: ImageStore, fake_tools: FakeTools
) -> None:
    skopeo = fake_tools.install(
        "skopeo",
        script=f"""case "$*" in
            *'{RUN}'*) echo 'no such host' >&2; exit 1;;
            *) echo 'manifest unknown' >&2; exit 1;;
        esac""",
    )
    with pytest.raises(RegistryError, match=r"registry\.example cannot be reached"):
        run_image(store, PullPolicy.IF_NOT_PRESENT)
    asked = [call.arguments[-1] for call in skopeo.calls]
    assert asked == [f"docker://{RUN}", f"docker://{MIRROR}"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("docker://registry.example/b:1", "registry.example/b:1"),
        ("containers-storage:b:1", "localhost/b:1"),
        ("oci:/srv/my-builder", "localhost/imported/my-builder:latest"),
        ("oci:/srv/My Builder:v 1/x", "localhost/imported/my-builder:v-1-x"),
        ("oci-archive:/srv/b.tar:..", "localhost/imported/b.tar:latest"),
        ("docker-archive:/srv/b.tar:x:2", "localhost/imported/b.tar:latest"),
    ],
)
def test_an_image_from_a_place_without_names_gets_one(text: str, name: str) -> None:
    found = name_of(ImageLocation.parse(text, relative_to=Path("/")))
    assert str(found) == name
    assert Reference.parse(str(found)) == found


def test_a_builder_of_another_platform_says_which_it_has(store: ImageStore, tmp_path: Path) -> None:
    name = Reference.parse("localhost/acme/builder:1")
    keep(store, tmp_path / "made", name)
    other = Platform("linux", "s390x")
    with pytest.raises(ImageError, match=f"is here for {HOST}, not for linux/s390x"):
        acquire_builder(store, name, other, PullPolicy.IF_NOT_PRESENT, OBSERVER)
