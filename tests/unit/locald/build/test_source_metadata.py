"""Where the source came from, by a real git that trusts nothing."""

import os
import time
from datetime import date
from pathlib import Path

import pytest

from locald.build import git_commit
from locald.build.git_commit import read_commit
from locald.build.source_metadata import image_labels, source_metadata, strip_credentials
from locald.config.project_toml import License, ProjectMetadata
from oci.process import Command, CommandRunner
from tests.support.fake_tools import FakeTools

RUNNER = CommandRunner()


def git(folder: Path, *arguments: str) -> str:
    command = Command(
        argv=("git", "-C", str(folder), *arguments),
        env={
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
        },
    )  # fmt: skip
    return RUNNER.run(command).text.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "app"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text("1\n")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def test_a_commit_its_description_and_its_origin(repository: Path) -> None:
    git(repository, "tag", "v1.0")
    git(repository, "remote", "add", "origin", "https://user:secret@example.com/team/app.git")
    metadata = source_metadata(repository, ProjectMetadata(), RUNNER)
    assert metadata.type == "git"
    assert metadata.version == {"commit": git(repository, "rev-parse", "HEAD"), "describe": "v1.0"}
    assert metadata.metadata == {
        "repository": "https://example.com/team/app.git",
        "url": "https://example.com/team/app.git",
        "refs": ["main", "v1.0"],
    }


def test_a_repository_without_an_origin_or_a_tag(repository: Path) -> None:
    metadata = source_metadata(repository, ProjectMetadata(), RUNNER)
    commit = git(repository, "rev-parse", "HEAD")
    assert metadata.version is not None
    assert commit.startswith(metadata.version["describe"])
    assert metadata.metadata == {"refs": ["main"]}


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "branch", "other")
    git(repository, "tag", "-a", "-m", "one", "v1")
    git(repository, "checkout", "-q", "--detach")
    found = read_commit(repository, RUNNER)
    assert found is not None
    assert found.refs == ("v1",)


def test_the_time_of_a_commit(repository: Path) -> None:
    found = read_commit(repository, RUNNER)
    assert found is not None
    assert str(found.seconds) == git(repository, "show", "-s", "--format=%ct", "HEAD")
    assert read_commit(repository.parent, RUNNER) is None


SHOP = ProjectMetadata(
    schema_version="0.2",
    id="com.example.shop",
    name="The Shop",
    version="1.2",
    authors=("Ada <ada@example.com>", "Bob"),
    documentation_url="https://example.com/docs",
    source_url="https://u:p@example.com/app",
    licenses=(License(type="MIT"), License(type="Apache-2.0 OR MIT", uri="https://example.com/l")),
    metadata={"since": date(2020, 1, 2), "assets": [{"size": 3}]},
)


def test_all_that_the_project_says(repository: Path) -> None:
    metadata = source_metadata(repository, SHOP, RUNNER)
    assert metadata.version is not None
    assert metadata.version["declared"] == "1.2"
    assert metadata.metadata is not None
    assert metadata.metadata["project"] == {
        "id": "com.example.shop",
        "name": "The Shop",
        "version": "1.2",
        "authors": ("Ada <ada@example.com>", "Bob"),
        "documentation-url": "https://example.com/docs",
        "source-url": "https://example.com/app",
        "licenses": [
            {"type": "MIT"},
            {"type": "Apache-2.0 OR MIT", "uri": "https://example.com/l"},
        ],
        "metadata": {"since": date(2020, 1, 2), "assets": [{"size": 3}]},
    }


def test_labels_of_the_project() -> None:
    assert image_labels(SHOP) == {
        "org.opencontainers.image.title": "The Shop",
        "org.opencontainers.image.version": "1.2",
        "org.opencontainers.image.authors": "Ada <ada@example.com>, Bob",
        "org.opencontainers.image.licenses": "MIT AND (Apache-2.0 OR MIT)",
        "org.opencontainers.image.documentation": "https://example.com/docs",
        "org.opencontainers.image.source": "https://example.com/app",
    }
    assert image_labels(ProjectMetadata()) == {}
    # Only half an expression would say something else.
    assert image_labels(ProjectMetadata(licenses=(License(type="MIT"), License(uri="x")))) == {}


def test_a_folder_within_a_repository_belongs_to_it(repository: Path) -> None:
    (repository / "services/api").mkdir(parents=True)
    metadata = source_metadata(repository / "services/api", ProjectMetadata(), RUNNER)
    assert metadata.type == "git"


def test_nobody_asks_git_about_what_came_as_an_archive(repository: Path) -> None:
    assert source_metadata(None, ProjectMetadata(), RUNNER).type == ""


def test_without_a_commit_the_project_file_speaks(tmp_path: Path) -> None:
    project = ProjectMetadata(version="1.2", source_url="https://u:p@example.com/app")
    metadata = source_metadata(tmp_path, project, RUNNER)
    assert metadata.type == "project"
    assert metadata.version == {"declared": "1.2"}
    assert metadata.metadata == {
        "url": "https://example.com/app",
        "project": {"version": "1.2", "source-url": "https://example.com/app"},
    }


def test_nothing_known_is_nothing_told(tmp_path: Path) -> None:
    metadata = source_metadata(tmp_path, ProjectMetadata(), RUNNER)
    assert (metadata.type, metadata.version, metadata.metadata) == ("", None, None)


def test_a_new_repository_without_commits_is_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert source_metadata(tmp_path, ProjectMetadata(), RUNNER).type == ""


def test_a_broken_git_is_no_failure(tmp_path: Path, fake_tools: FakeTools) -> None:
    fake_tools.install("git", exit_code=128, stderr="fatal: boo\n")
    assert source_metadata(tmp_path, ProjectMetadata(), RUNNER).type == ""


def test_a_hostile_repository_runs_no_program(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass",
        "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.external",
        "diff.evil.textconv", "diff.evil.command", "gpg.program", "credential.helper",
        "alias.describe", "alias.rev-list", "uploadpack.packObjectsHook",
    ):  # fmt: skip
        value = f"!{trap}" if key.startswith("alias.") else str(trap)
        git(repository, "config", key, value)
    git(repository, "config", "core.hooksPath", str(tmp_path / "hooks"))
    (tmp_path / "hooks").mkdir()
    git(repository, "config", "log.showSignature", "true")
    for hook in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (tmp_path / "hooks" / hook).symlink_to(trap)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (repository / "file").write_text("2\n")  # same size, other content: a filter would be asked
    metadata = source_metadata(repository, ProjectMetadata(), RUNNER)
    assert metadata.type == "git"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["HEAD", "config", "packed-refs", "objects/info/alternates"])
def test_a_repository_of_fifos_holds_nobody_up(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(git_commit, "_TIMEOUT_SECONDS", 0.5)
    path = repository / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    began = time.monotonic()
    source_metadata(repository, ProjectMetadata(), RUNNER)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://user:secret@example.com/a.git", "https://example.com/a.git"),
        ("https://token@example.com/a.git", "https://example.com/a.git"),
        ("https://user:p@ss@example.com/a", "https://example.com/a"),
        ("HTTPS://user:secret@example.com:8443/a", "HTTPS://example.com:8443/a"),
        ("ssh://git@example.com/a", "ssh://example.com/a"),
        ("helper::https://user:secret@example.com/a", "helper::https://example.com/a"),
        ("http://user:secret@[::1", "http://[::1"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("https://example.com/?q=//a@b", "https://example.com/?q=//b"),
        ("git@example.com:team/app.git", "git@example.com:team/app.git"),
        ("/srv/git/app.git", "/srv/git/app.git"),
        ("", ""),
    ],
)
def test_credentials_are_taken_out_of_urls(url: str, stripped: str) -> None:
    assert strip_credentials(url) == stripped
