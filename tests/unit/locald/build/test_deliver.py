"""Where a finished image goes."""

from pathlib import Path

import pytest

from lifecycle.execution import PhaseLine, PhaseOutcome
from lifecycle.phase import Phase
from locald.build.deliver import Delivery, deliver, destinations, slow_storage, wants_base
from oci.digest import Digest
from oci.errors import Error, ImageError, StorageError
from oci.image import decode_index
from oci.layout import Layout
from oci.layout_output import put_image
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner, Stream
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore, StoredImage
from tests.support.fake_tools import FakeTools
from tests.support.images import make_image, tar_layer

NAMES = (Reference("localhost", "shop", "1"), Reference("registry.example", "shop", "latest"))
HERE = Path("/home/dev")


def where(*outputs: str) -> list[str]:
    locations = tuple(ImageLocation.parse(text, relative_to=HERE) for text in outputs)
    return [str(location) for location in destinations(locations, NAMES)]


def test_without_outputs_every_name_goes_to_podman_s_storage(fake_tools: FakeTools) -> None:
    fake_tools.install("podman")
    assert where() == [
        "containers-storage:localhost/shop:1",
        "containers-storage:registry.example/shop:latest",
    ]


def test_without_podman_the_image_stays_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert where() == []


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("oci:out", "oci:/home/dev/out:1"),
        ("oci:out:mine", "oci:/home/dev/out:mine"),
        ("oci-archive:app.tar", "oci-archive:/home/dev/app.tar:1"),
        ("docker-archive:app.tar", "docker-archive:/home/dev/app.tar:localhost/shop:1"),
        ("docker-archive:a.tar:x:2", "docker-archive:/home/dev/a.tar:docker.io/library/x:2"),
        ("dir:out", "dir:/home/dev/out"),
        ("docker://registry.example/other", "docker://registry.example/other:latest"),
        ("containers-storage:other:2", "containers-storage:localhost/other:2"),
    ],
)
def test_outputs_that_say_no_name_get_the_image_s(output: str, target: str) -> None:
    assert where(output) == [target]


def test_outputs_keep_their_order() -> None:
    assert where("oci:b:1", "oci:a:1") == ["oci:/home/dev/b:1", "oci:/home/dev/a:1"]


@pytest.fixture
def image(tmp_path: Path) -> StoredImage:
    layout = make_image(tmp_path / "image", files={"a": "1"})
    read = layout.read()
    return StoredImage(
        reference=NAMES[0], layout=layout, image=read, source=None, source_digest=read.digest
    )


def send(
    image: StoredImage,
    text: str,
    folder: Path,
    *,
    sparse: bool = False,
    base_layers: frozenset[Digest] = frozenset(),
) -> None:
    skopeo = Skopeo(CommandRunner())
    deliver(
        Delivery(
            image=image,
            targets=(ImageLocation.parse(text, relative_to=folder),),
            platform=Platform.of_host(),
            sparse=sparse,
            base_layers=base_layers,
        ),
        store=ImageStore(image.layout.path.parent / "store", skopeo),
        skopeo=skopeo,
        observer=Silent(),
    )


class Silent:
    """Nobody listens."""

    def step(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def phase_started(self, phase: Phase) -> None: ...
    def phase_line(self, line: PhaseLine) -> None: ...
    def extension_line(self, stream: Stream, text: str) -> None: ...

    def phase_finished(self, outcome: PhaseOutcome) -> None: ...


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_an_archive_replaces_the_earlier_one_only_when_it_is_whole(
    image: StoredImage, tmp_path: Path, fake_tools: FakeTools, transport: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "app.tar").write_text("earlier")
    half = 'for last; do :; done; path=${last#*:}; echo half >"${path%%:*}"'
    fake_tools.install("skopeo", script=half, exit_code=1, stderr="boo\n")
    with pytest.raises(Error):
        send(image, f"{transport}:app.tar", folder)
    assert (folder / "app.tar").read_text() == "earlier"
    assert [p.name for p in folder.iterdir()] == ["app.tar"]
    fake_tools.install("skopeo", script=half)
    send(image, f"{transport}:app.tar", folder)
    assert (folder / "app.tar").read_text() == "half\n"
    assert [p.name for p in folder.iterdir()] == ["app.tar"]


def test_the_image_is_copied_from_the_store_to_its_place(
    image: StoredImage, tmp_path: Path, fake_tools: FakeTools
) -> None:
    fake = fake_tools.install("skopeo")
    send(image, "containers-storage:shop", tmp_path)
    assert fake.call.arguments[-2:] == (
        f"oci:{image.layout.path}:latest",
        "containers-storage:localhost/shop:latest",
    )


def test_a_sparse_layout_lacks_the_run_image_s_layers_and_keeps_other_images(
    tmp_path: Path,
) -> None:
    base, app = tar_layer({"base": "1"}), tar_layer({"app": "2"})
    layout = make_image(tmp_path / "image", layers=[base, app])
    read = layout.read()
    image = StoredImage(
        reference=NAMES[0], layout=layout, image=read, source=None, source_digest=read.digest
    )
    base_digest, app_digest = read.layer_digests
    other = make_image(tmp_path / "other", files={"o": "1"}).read()
    made = Layout(tmp_path / "out")
    made.path.mkdir()
    put_image(made.path, other, "earlier", layers=Layout(tmp_path / "other"))
    for _ in range(2):  # the second replaces the first
        send(image, "oci:out:1", tmp_path, sparse=True, base_layers=frozenset({base_digest}))
    assert made.has_blob(app_digest)
    assert not made.has_blob(base_digest)
    index = decode_index((made.path / "index.json").read_bytes(), origin="")
    assert [d.annotations for d in index.manifests] == [
        {"org.opencontainers.image.ref.name": "earlier"},
        {"org.opencontainers.image.ref.name": "1"},
    ]
    assert made.read_blob(Digest.parse(index.manifests[1].digest)) == read.manifest_bytes


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        ("", ImageError, "oci:.*out:1: .*the image index"),
        (None, StorageError, r"oci:.*out:1: File exists \(.*/out\)"),
    ],
)
def test_a_layout_that_cannot_be_written_is_told_with_a_remedy(
    image: StoredImage, tmp_path: Path, content: str | None, error: type[Error], told: str
) -> None:
    if content is None:
        (tmp_path / "out").write_text("a file")
    else:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/index.json").write_text(content)
    with pytest.raises(error, match=told) as caught:
        send(image, "oci:out:1", tmp_path)
    assert "name a folder that is new" in caught.value.hint


@pytest.mark.parametrize(
    ("outputs", "sparse", "wanted"),
    [
        (("docker://registry.example/a",), False, False),
        (("docker://registry.example/a", "oci:out"), False, True),
        (("docker://registry.example/a", "oci:out"), True, False),
        (("oci:out", "dir:out"), True, True),
        ((), False, False),
    ],
)
def test_the_run_image_s_layers_are_wanted_where_they_are_copied_from_here(
    outputs: tuple[str, ...], sparse: bool, wanted: bool
) -> None:
    targets = tuple(ImageLocation.parse(text, relative_to=HERE) for text in outputs)
    assert wants_base(targets, sparse=sparse) is wanted


def test_a_missing_folder_is_told_with_a_remedy(image: StoredImage, tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"--output oci:.*: the folder .*gone does not"
    ) as caught:
        send(image, "oci:gone/out", tmp_path)
    assert caught.value.hint == f"make it: mkdir -p {tmp_path}/gone"


@pytest.mark.parametrize(
    ("made", "seconds", "slow"),
    [
        (("vfs-layers",), 3.0, True),
        (("vfs-layers",), 0.2, False),
        (("vfs-layers", "overlay-layers"), 3.0, False),
        (("overlay-layers",), 3.0, False),
        ((), 3.0, False),
    ],
)
def test_a_slow_delivery_to_a_vfs_storage_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: tuple[str, ...],
    seconds: float,
    slow: bool,
) -> None:
    for name in made:
        (tmp_path / "containers/storage" / name).mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    storage = ImageLocation.storage(Reference.parse("localhost/app"))
    assert slow_storage(storage, seconds) is slow
    assert not slow_storage(ImageLocation.layout(tmp_path), seconds)
