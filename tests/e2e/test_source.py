"""The user's source: never written, never copied, whatever lies in it."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation, layer_bytes
from tests.support.tree_state import tree_state

MARK = "a-file-that-nobody-may-copy"
# What a careless buildpack does to the source it is given.
VANDAL = f"""\
rm -rf index.html assets
echo changed >README
chmod 0777 script
mkdir -p node_modules new/folder
echo planted >new/folder/file
mv link other
{BUILDS}"""


@pytest.fixture
def rich(make: Callable[..., Path]) -> Path:
    """An application with everything that a file system can tell of files."""
    app = make()
    (app / "assets").mkdir(mode=0o750)
    (app / "assets/page.css").write_text("p {}\n")
    (app / "README").write_text("read me\n")
    (app / "script").write_text("#!/bin/sh\n")
    (app / "script").chmod(0o755)
    (app / "secret").write_text("for me alone\n")
    (app / "secret").chmod(0o600)
    (app / "read-only").write_text("kept\n")
    (app / "read-only").chmod(0o444)
    os.link(app / "README", app / "same-as-README")
    (app / "link").symlink_to("README")
    (app / MARK).write_text(f"{MARK}\n")
    for folder in ("node_modules/thing", ".git/objects", "__pycache__"):
        (app / folder).mkdir(parents=True)
        (app / folder / f"{MARK}-excluded").write_text("excluded\n")
    os.setxattr(app / "README", "user.comment", b"kept")
    os.setxattr(app / "assets", "user.comment", b"kept too")
    for number, path in enumerate(sorted(app.rglob("*"))):
        os.utime(path, ns=(number, 1_500_000_000_123_456_789 + number), follow_symlinks=False)
    return app


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_the_source_is_the_same_after_a_build_that_changes_all_of_it(
    installation: Installation, rich: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    before = tree_state(rich)
    buildpack = BuildpackFolder.make(tmp_path / "vandal", build=VANDAL)
    installation.build(rich, "--runtime", runtime, buildpack=buildpack)
    assert tree_state(rich) == before


def test_nothing_of_the_source_is_copied(
    installation: Installation, rich: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "slow")
    buildpack.hold("build")
    with installation.start_build(rich, buildpack=buildpack) as build:
        build.wait_for_event("line", text="holding build")
        places = (installation.paths.work, installation.paths.cache_dir)
        copies = [path for place in places for path in files_below(place) if MARK in path.name]
        buildpack.release()
        assert build.finish().code == 0
    assert copies == []


def files_below(folder: Path) -> list[Path]:
    """All that we may see, excluded names of whiteouts left out."""
    found = []
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent, name)
            if path.is_file():
                found.append(path)
    return found


def test_excluded_folders_are_not_in_the_image(installation: Installation, rich: Path) -> None:
    installation.build(rich)
    image = installation.image(rich)
    assert image is not None
    content = layer_bytes(image, installation.layout(rich))
    assert MARK.encode() in content
    assert f"{MARK}-excluded".encode() not in content


def test_strange_names_and_files_are_built_and_told(installation: Installation, app: Path) -> None:
    folder = os.fsencode(app)
    names = (b"not-utf8-\xff\xfe", b"two\nlines", b"-rf", b" spaced ", b"\x1b[31mred", b"quo'te\"")
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).write_text("content\n")
    os.mkfifo(app / "fifo")
    (app / "broken").symlink_to("nowhere")
    (app / "absolute").symlink_to("/etc/hostname")
    (app / "outside").symlink_to("../../../../../etc/passwd")
    (app / "round").symlink_to("round")
    with socket.socket(socket.AF_UNIX) as listener:
        # Unix sockets have short names.
        here = os.open(app, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        before = tree_state(app)
        result = installation.build(app)
    assert tree_state(app) == before
    for told in ("fifo", "socket", "broken", "absolute"):
        assert [line for line in result.stderr.splitlines() if told in line], told
    assert "\x1b[31m" not in result.output
    image = installation.image(app)
    assert image is not None
    content = layer_bytes(image, installation.layout(app))
    for name in names:
        assert name in content, name
    assert installation.build(app).digest == result.digest


def test_links_that_lead_out_of_the_source_carry_nothing_in(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "beside-the-source"
    secret.write_text("a-secret-beside-the-source\n")
    (app / "link").symlink_to(secret)
    (app / "relative").symlink_to(f"../{secret.name}")
    (app / "folder").symlink_to("..")
    installation.build(app)
    image = installation.image(app)
    assert image is not None
    assert b"a-secret-beside-the-source" not in layer_bytes(image, installation.layout(app))


def test_unreadable_files_are_listed(installation: Installation, app: Path) -> None:
    (app / "private").write_text("mine\n")
    (app / "private").chmod(0)
    (app / "closed").mkdir(mode=0)
    result = installation.try_build(app)
    (app / "closed").chmod(0o700)
    assert result.code == 2
    assert "2 paths that you cannot read" in result.stderr
    assert {"  private", "  closed/"} <= set(result.stderr.splitlines())
    assert "Traceback" not in result.stderr


def test_unreadable_files_that_are_excluded_do_no_harm(
    installation: Installation, app: Path
) -> None:
    (app / "node_modules").mkdir(mode=0)
    try:
        installation.build(app)
    finally:
        (app / "node_modules").chmod(0o700)


def test_credentials_of_the_git_remote_stay_here(installation: Installation, app: Path) -> None:
    address = "https://user:a-password-in-the-remote@git.invalid/shop.git"
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    for words in (
        ("init", "--quiet"),
        ("add", "."),
        (*identity, "commit", "--quiet", "-m", "first"),
        ("remote", "add", "origin", address),
    ):
        subprocess.run(["git", "-C", str(app), *words], check=True, capture_output=True)
    result = installation.build(app, "--verbose")
    image = installation.image(app)
    assert image is not None
    assert b"git.invalid/shop.git" in image.config_bytes
    content = image.config_bytes + layer_bytes(image, installation.layout(app))
    assert b"a-password-in-the-remote" not in content
    assert "a-password-in-the-remote" not in result.output
