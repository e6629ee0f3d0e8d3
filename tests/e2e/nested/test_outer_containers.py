"""locald in a container: with no extra option, with those that let runc work, podman in podman.

Each test starts the outer container, rootless, and builds in it as that container's root or user.
"""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oci.layout import Layout
from tests.e2e.conftest import AppMaker
from tests.e2e.nested.conftest import Images, TinyApp, copy_layout
from tests.support.e2e import BUILDER, SAMPLES, Installation, layer_bytes
from tests.support.outer_container import Ended, OuterImage
from tests.support.publishing import RUN

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, kw_only=True)
class Outer:
    """options: of the outer `podman run`. runtime: the one that locald then takes, or is told to.

    private: do detect and build have a network of their own?
    """

    options: tuple[str, ...]
    runtime: str
    private: bool
    flags: tuple[str, ...] = ()


STOCK = Outer(options=(), runtime="bwrap", private=False)
# The same words as in docs/ci.md.
OUTERS = {
    "stock": STOCK,
    "an ordinary user of it without capabilities": Outer(
        options=("--user", "1000:1000", "--cap-drop", "all", "--env", "HOME=/tmp"),
        runtime="bwrap",
        private=False,
    ),
    "proc": Outer(
        options=("--security-opt", "unmask=/proc/*"),
        runtime="runc",
        private=False,
    ),
    "proc and tun": Outer(
        options=("--security-opt", "unmask=/proc/*", "--device", "/dev/net/tun"),
        runtime="runc",
        private=True,
    ),
    "podman in podman": Outer(
        options=(
            *("--security-opt", "unmask=ALL", "--device", "/dev/net/tun"),
            *("--volume", "/var/tmp", "--env", "LOCALD_DATA_DIR=/var/tmp/locald"),
        ),
        runtime="podman",
        private=True,
        flags=("--runtime", "podman"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Nested:
    """What a build in an outer container needs of this host."""

    image: OuterImage
    program: Path
    scratch: Path

    def build(self, outer: Outer, app: Path, images: Path, *flags: str) -> Ended:
        """The image goes to the layout `out` in the scratch folder."""
        self.scratch.mkdir(exist_ok=True)
        self.scratch.chmod(0o777)  # for users of the container
        mounts = {self.program: "/program:ro", images: "/images:ro", app: "/app:ro"}
        options = (
            *outer.options,
            *(word for s, t in mounts.items() for word in ("--volume", f"{s}:{t}")),
            *("--volume", f"{self.scratch}:/scratch"),
        )
        with self.image.container(f"locald-nested-{secrets.token_hex(4)}", *options) as container:
            if outer.runtime == "podman":
                ids = container.run("tee", "/etc/subuid", "/etc/subgid", stdin="root:1:65536\n")
                assert ids.code == 0, ids.output
            return container.run(
                *("python3", "-m", "locald", "build", "/app", "--tag", "site", "--verbose"),
                *("--progress", "plain", "--output", "oci:/scratch/out", *flags, *outer.flags),
                env=("PYTHONPATH=/program", "PYTHONDONTWRITEBYTECODE=1"),
            )

    @property
    def layout(self) -> Layout:
        """What was built."""
        return Layout(self.scratch / "out")


@pytest.fixture
def nested(outer: OuterImage, program: Path, tmp_path: Path) -> Iterator[Nested]:
    scratch = tmp_path / "scratch"
    yield Nested(image=outer, program=program, scratch=scratch)
    # What a user of the container has written belongs to another id.
    outer.remove_tree(scratch)


@pytest.mark.parametrize("name", list(OUTERS))
def test_an_image_is_the_same_from_every_container(
    name: str, nested: Nested, images: Images, tiny_app: TinyApp
) -> None:
    outer = OUTERS[name]
    built = nested.build(outer, tiny_app.folder, images.folder, *images.flags("/images"))
    assert built.code == 0, built.output
    assert f"runtime {outer.runtime}: {outer.runtime}, because" in built.output or (
        "runtime runc: runc, the fastest" in built.output and outer.runtime == "runc"
    )
    assert ("shares this container's network" in built.output) is not outer.private
    assert str(nested.layout.read().digest) == tiny_app.digest
    facts = layer_bytes(nested.layout.read(), nested.layout)
    assert b"1001\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n" in facts


def test_a_sample_is_built_in_a_stock_container(
    nested: Nested, installation: Installation, tmp_path: Path, make: AppMaker
) -> None:
    """With the builder that comes with locald."""
    layouts = tmp_path / "layouts"
    layouts.mkdir()
    copy_layout(installation, BUILDER, layouts / "builder")
    copy_layout(installation, RUN, layouts / "run")
    app = make()
    shutil.copytree(SAMPLES / "static-site", app, dirs_exist_ok=True)
    flags = ("--builder", "oci:/images/builder", "--run-image", "oci:/images/run")
    built = nested.build(STOCK, app, layouts, *flags)
    assert built.code == 0, built.output
    assert "runtime bwrap: bwrap, because" in built.output
    assert "shares this container's network" in built.output
    assert "io.buildpacks.build.metadata" in nested.layout.read().config.labels


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        (
            Outer(options=(), runtime="runc", private=False, flags=("--runtime", "runc")),
            3,
            "does not let you make a user namespace",
        ),
        (
            Outer(
                options=("--security-opt", "unmask=ALL"),
                runtime="podman",
                private=False,
                flags=("--runtime", "podman"),
            ),
            3,
            "mount a volume at /var/tmp",
        ),
        (
            Outer(
                options=("--security-opt", "unmask=ALL", "--volume", "/var/tmp"),
                runtime="podman",
                private=False,
                flags=("--runtime", "podman"),
            ),
            # The work folder is looked at when the first overlay is mounted in it.
            5,
            "set LOCALD_DATA_DIR to a folder in it",
        ),
        (
            Outer(options=("--cap-drop", "all"), runtime="bwrap", private=False),
            3,
            "start the outer container",
        ),
    ],
    ids=["runc", "podman", "podman with only its own volume", "no capabilities"],
)
def test_a_container_that_cannot_says_what_it_lacks(
    kind: Outer, code: int, said: str, nested: Nested, images: Images, tiny_app: TinyApp
) -> None:
    built = nested.build(kind, tiny_app.folder, images.folder, *images.flags("/images"))
    assert built.code == code, built.output
    assert said in built.output
