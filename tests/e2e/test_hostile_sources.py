"""Source trees of strangers: what is in them is built or told, never followed out of them, never
waited for, and never changed."""

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oci.idmap import SubordinateIds
from oci.process import CommandRunner
from oci.userns import UserNamespace
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation, layer_bytes
from tests.support.tree_state import tree_state

pytestmark = pytest.mark.corpus


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file beside the source, with a word that is nowhere else."""
    folder = tmp_path / "outside"
    folder.mkdir()
    path = folder / "precious"
    path.write_text(f"CANARY={secrets.token_hex(16)}\n")
    before = tree_state(folder)
    yield path
    assert tree_state(folder) == before


def word(canary: Path) -> str:
    return canary.read_text().strip().partition("=")[2]


def one_message(result: Finished, code: int, *parts: str) -> None:
    assert result.code == code, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr, result.stderr


# ---- the project's own files, and git, lead elsewhere -------------------------------------------


def _in_place(name: str) -> Callable[[Path, Path], None]:
    return lambda app, canary: (app / name).symlink_to(canary)


def _named(name: str, text: str) -> Callable[[Path, Path], None]:
    def make(app: Path, canary: Path) -> None:
        (app / "locald.toml").write_text(f"[service.web.build]\n{text}\n")
        (app / name).symlink_to(canary)

    return make


def _folder(text: str) -> Callable[[Path, Path], None]:
    def make(app: Path, canary: Path) -> None:
        (app / "locald.toml").write_text(f"[service.web.build]\n{text}\n")
        (app / "x").symlink_to(canary.parent)

    return make


LEADS_OUT = {
    "an env file": (_named("vars", "env_file = 'vars'"), "env_file: vars is outside the project"),
    "ignore patterns": (_named("i", "ignore_files = ['i']"), "i is outside the project"),
    "a buildpack": (_folder("buildpacks = ['./x']"), "./x is no buildpack"),
    "a volume": (_named("data", "volumes = ['data:/mnt']"), "outside the project"),
    ".cnbignore": (_in_place(".cnbignore"), ".cnbignore: .cnbignore is outside the project"),
    "locald.toml": (_in_place("locald.toml"), "locald.toml:1:"),
    "project.toml": (_in_place("project.toml"), "project.toml:1:"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "said"), LEADS_OUT.values(), ids=LEADS_OUT.keys())
def test_a_projects_file_that_is_a_link_out_carries_nothing_in(
    installation: Installation,
    app: Path,
    canary: Path,
    place: Callable[[Path, Path], None],
    said: str,
) -> None:
    place(app, canary)
    result = installation.try_build(app)
    one_message(result, 2, said)
    assert word(canary) not in result.output


def _git_fifo(app: Path, _: Path) -> None:
    os.mkfifo(app / ".git")


def _git_elsewhere(app: Path, canary: Path) -> None:
    (app / ".git").write_text(f"gitdir: {canary.parent}\n")


def _git_to_device(app: Path, _: Path) -> None:
    (app / ".git/refs").mkdir(parents=True)
    (app / ".git/objects").mkdir()
    (app / ".git/HEAD").symlink_to("/dev/zero")
    (app / ".git/config").write_text("[core]\n\trepositoryformatversion = 99\n")


def _git_link(app: Path, canary: Path) -> None:
    (app / ".git").symlink_to(canary.parent)


GIT = {
    "a FIFO": _git_fifo,
    "a file that leads out": _git_elsewhere,
    "a link out": _git_link,
    "a device for its head": _git_to_device,
}


@pytest.mark.parametrize("place", GIT.values(), ids=GIT.keys())
def test_what_calls_itself_git_holds_nobody_up(
    installation: Installation, app: Path, canary: Path, place: Callable[[Path, Path], None]
) -> None:
    place(app, canary)
    result = installation.build(app)
    image = installation.image(app)
    assert image is not None
    assert result.seconds < 60
    content = image.config_bytes + layer_bytes(image, installation.layout(app))
    assert word(canary).encode() not in content + result.output.encode()


# ---- names, links, bits, owners, sizes ----------------------------------------------------------


def _deep(folder: Path, levels: int) -> None:
    """Folders in folders, whose path is longer than the kernel takes in one call."""
    descriptor = os.open(folder, os.O_PATH)
    for _ in range(levels):
        os.mkdir("d" * 100, dir_fd=descriptor)
        inner = os.open("d" * 100, os.O_PATH, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def test_a_tree_deeper_than_a_path_is_told(installation: Installation, app: Path) -> None:
    _deep(app, 60)
    one_message(installation.try_build(app), 2, "1 path that you cannot read")


def test_a_wide_and_odd_tree_is_built_and_stays_as_it_is(
    installation: Installation, app: Path, tmp_path: Path, canary: Path
) -> None:
    (app / "wide").mkdir()
    for number in range(10_000):
        (app / "wide" / str(number)).touch()
    _deep(app, 20)
    for name in (b"n" * 255, b"\xff" * 200, b"line\nend", b"\x1b]52;c;AAAA\x07", b"-rf", b"\\"):
        with open(os.fsencode(app) + b"/" + name, "w") as file:  # noqa: PTH123  (bytes)
            file.write("x\n")
    (app / "set-ids").touch()
    (app / "set-ids").chmod(0o6755)
    (app / "sticky").mkdir(mode=0o1777)
    other = tmp_path / "other-name"
    other.write_text("mine\n")
    os.link(other, app / "hard-link")
    (app / "up").symlink_to("../..")
    (app / "out").symlink_to(canary)
    (app / "round").mkdir()
    (app / "round/one").symlink_to("two")
    (app / "round/two").symlink_to("one")
    (app / "round/self").symlink_to(".")
    os.mkfifo(app / "fifo")
    before = tree_state(app)
    vandal = BuildpackFolder.make(
        tmp_path / "vandal",
        build=f"echo evil >>hard-link; chmod 777 hard-link; echo x >out || true\n{BUILDS}",
    )
    installation.build(app, buildpack=vandal)
    assert tree_state(app) == before
    image = installation.image(app)
    assert image is not None
    content = layer_bytes(image, installation.layout(app))
    for name in (b"wide/9999", b"n" * 255, b"\xff" * 200, b"line\nend", b"d" * 100):
        assert name in content, name


@pytest.mark.skipif(
    not SubordinateIds.of_current_user().usable, reason="no subordinate ids: nobody else to be"
)
def test_what_other_ids_own_is_built_or_told(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    theirs = app / "theirs"
    theirs.mkdir()
    for name, mode in (("open", 0o644), ("set-ids", 0o6755)):
        (theirs / name).write_text(f"{name} of somebody else\n")
        (theirs / name).chmod(mode)
    with UserNamespace(CommandRunner(), ids=SubordinateIds.of_current_user()) as namespace:
        namespace.run("chown", "-R", "4321:4321", str(theirs))
        namespace.run("chmod", "6755", str(theirs / "set-ids"))
        before = tree_state(app)
        changes = BuildpackFolder.make(tmp_path / "bp", build=f"echo x >>theirs/open\n{BUILDS}")
        told = installation.build(app, buildpack=changes)
        assert "3 paths belong to other users or groups" in told.stderr
        assert tree_state(app) == before
        namespace.run("chmod", "000", str(theirs / "open"))
        one_message(installation.try_build(app), 2, "1 path that you cannot read", "theirs/open")
        namespace.run("rm", "-r", str(theirs))


def test_a_sparse_file_that_no_disk_holds_is_refused_before_anything_runs(
    installation: Installation, app: Path
) -> None:
    with (app / "sparse").open("wb") as file:
        file.truncate(1 << 43)
    result = installation.try_build(app)
    one_message(result, 2, "sparse: a sparse file of 8796093022208 bytes", "exclude it")
    assert "analyze" not in result.stderr


def test_a_file_that_grows_meanwhile_is_whole_or_told(
    installation: Installation, app: Path
) -> None:
    path, ended = app / "log", threading.Event()
    path.write_bytes(b"x" * (8 << 20))

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not ended.wait(0.001):
                file.write(b"y" * 4096)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        result = installation.try_build(app)
    finally:
        ended.set()
        writer.join()
    if result.code == 0:
        assert installation.image(app) is not None  # its digests are checked
    else:
        one_message(result, 62, "export")
