"""What a buildpack may leave where the lifecycle reads it, and what it may not."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.handed_on import check_handed_on
from lifecycle.phase import Phase
from oci.errors import ImageError

pytestmark = pytest.mark.corpus

AT = PurePosixPath("/layers")


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    root = tmp_path / "layers"
    (root / "acme_java/jdk/bin").mkdir(parents=True)
    (root / "config").mkdir()
    (root / "sbom/launch").mkdir(parents=True)
    for name in (
        "analyzed.toml",
        "group.toml",
        "plan.toml",
        "config/metadata.toml",
        "acme_java/jdk.toml",
        "acme_java/launch.toml",
        "acme_java/launch.sbom.cdx.json",
    ):
        (root / name).write_text("")
    return root


def test_what_builds_leave_is_fine(layers: Path) -> None:
    (layers / "acme_java/again.toml").symlink_to("jdk.toml")
    (layers / "acme_java/store.toml").symlink_to("/layers/acme_java/again.toml")
    (layers / "acme_java/build.toml").symlink_to("/cnb/buildpacks/acme_java/1/build.toml")
    (layers / "acme_java/package.json").mkdir()
    (layers / "acme_java/jdk/out.toml").symlink_to("/etc/passwd")
    os.mkfifo(layers / "acme_java/jdk/fifo.toml")
    for phase in Phase:
        check_handed_on(layers, phase, at=AT)


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(layers: Path) -> None:
        (layers / name).unlink(missing_ok=True)
        make(layers / name)

    return damage


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _through_a_folder(layers: Path) -> None:
    (layers / "acme_java/way").symlink_to("/workspace")
    (layers / "acme_java/store.toml").symlink_to("way/store.toml")


def _to_a_fifo(layers: Path) -> None:
    os.mkfifo(layers / "acme_java/jdk/fifo")
    (layers / "acme_java/store.toml").symlink_to("jdk/fifo")


def _as_a_link(name: str) -> Callable[[Path], None]:
    def damage(layers: Path) -> None:
        (layers / name).rename(layers.parent / "elsewhere")
        (layers / name).symlink_to("../elsewhere")

    return damage


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no group": (lambda layers: (layers / "group.toml").unlink(), "group.toml, .* is not there"),
    "no analysis": (_instead("analyzed.toml", lambda _: None), "analyzed.toml, .* is not there"),
    "no metadata": (_instead("config/metadata.toml", lambda _: None), "metadata.toml, .* not th"),
    "a FIFO": (_instead("group.toml", os.mkfifo), "group.toml, .* is no plain file"),
    "a FIFO of a name that a build need not have": (
        _instead("run.toml", os.mkfifo), "run.toml, .* is no plain file"),
    "a FIFO beside the metadata": (_instead("config/x.toml", os.mkfifo), "x.toml, .* is no plain"),
    "a FIFO of a buildpack's": (_instead("acme_java/store.toml", os.mkfifo), "store.toml, .* no p"),
    "a FIFO for a bill of materials": (
        _instead("acme_java/launch.sbom.cdx.json", os.mkfifo), "cdx.json, .* is no plain file"),
    "a folder": (_instead("group.toml", Path.mkdir), "group.toml, .* is a folder"),
    "a sparse file": (_instead("analyzed.toml", _sparse), "analyzed.toml, .* is larger than"),
    "a sparse file of a buildpack's": (
        _instead("acme_java/jdk.toml", _sparse), "jdk.toml, .* is larger than"),
    "a link": (_instead("group.toml", _link("plan.toml")), "group.toml, .* is a link$"),
    "a link for the exporter": (_instead("report.toml", _link("/cache/x")), "report.toml, .* link"),
    "a link to the cache": (_instead("acme_java/store.toml", _link("/cache/x")), "leads elsewhere"),
    "a link to a device": (_instead("acme_java/store.toml", _link("/dev/zero")), "leads elsewhere"),
    "a link up": (_instead("acme_java/store.toml", _link("../../x")), "leads elsewhere"),
    "a link to nowhere": (_instead("acme_java/store.toml", _link("gone")), "is not there"),
    "a link to itself": (_instead("acme_java/store.toml", _link("store.toml")), "without end"),
    "a link through a file": (_instead("acme_java/a.toml", _link("jdk.toml/x")), "cannot be read"),
    "a link to a FIFO": (_to_a_fifo, "no plain file"),
    "a link through a folder": (_through_a_folder, "leads elsewhere"),
    "a FIFO among bills of materials": (
        _instead("sbom/launch/x", os.mkfifo), "sbom/launch/x, .* is no plain file"
    ),
    "a link among bills of materials": (
        _instead("sbom/launch/x", _link("jdk")), "sbom/launch/x, .* is a link"
    ),
    "a buildpack's folder as a link": (_as_a_link("acme_java"), "acme_java, .* is a link"),
    "the configuration's folder as a link": (_as_a_link("config"), "config, .* is a link"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_hold_the_lifecycle_up_is_refused(
    layers: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(layers)
    with pytest.raises(ImageError, match=rf"^build: /layers/.*{said}") as caught:
        check_handed_on(layers, Phase.BUILD, at=AT)
    assert caught.value.hint
    assert str(layers) not in caught.value.message
