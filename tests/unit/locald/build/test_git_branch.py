"""The branch of a checkout, from git's files, with the real git."""

import subprocess
from pathlib import Path

import pytest

from locald.build.git_branch import git_branch, worktree_of


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    argv = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "services/web").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "services/web/index.html").touch()
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_the_branch_of_a_checkout_and_of_folders_in_it(repository: Path) -> None:
    assert git_branch(repository) == "main"
    assert git_branch(repository / "services/web") == "main"
    git(repository, "switch", "-q", "-c", "feature/x")
    assert git_branch(repository) == "feature/x"


def test_without_a_branch_it_is_the_commit(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert git_branch(repository) == git(repository, "rev-parse", "HEAD")[:12]


def test_a_worktree_has_a_branch_of_its_own(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    assert git_branch(tmp_path / "other/services/web") == "other"
    web = repository / "services/web"
    assert worktree_of(web, "other") == tmp_path / "other/services/web"
    assert worktree_of(tmp_path / "other/services/web", "main") == web
    assert worktree_of(web, "nowhere") is None


def test_without_git_there_is_none(tmp_path: Path) -> None:
    assert git_branch(tmp_path) == ""
    assert worktree_of(tmp_path, "main") is None


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"ref: refs/heads/", b"x y", b"a" * 100_000])
def test_a_damaged_head_is_no_crash(tmp_path: Path, data: bytes) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_bytes(data)
    assert len(git_branch(tmp_path)) <= 12


@pytest.mark.parametrize("data", ["", "gitdir:", "gitdir: gone", "nonsense"])
def test_a_strange_git_file_is_no_crash(tmp_path: Path, data: str) -> None:
    (tmp_path / ".git").write_text(data)
    assert git_branch(tmp_path) == ""
