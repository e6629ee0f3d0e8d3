"""The commit that a folder's source is at."""

from dataclasses import dataclass
from pathlib import Path

from oci.errors import Error
from oci.process import Command, CommandRunner

# A repository's own configuration must not start programs when we merely look at it.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_TIMEOUT_SECONDS = 10.0
# Plumbing: `git log` would ask gpg about a signature when the configuration says so.
_SHOW_HEAD = ("rev-list", "--max-count=1", "--format=%ct%n%D", "HEAD")


@dataclass(frozen=True, kw_only=True)
class GitCommit:
    """seconds: its time, since 1970. refs: the branch, if any, and the tags of this commit."""

    id: str
    seconds: int
    refs: tuple[str, ...]


def read_commit(folder: Path, runner: CommandRunner) -> GitCommit | None:
    """None where there is none: no repository, one without commits or of another user, no git."""
    commit, time, refs, *_ = (*git(runner, folder, *_SHOW_HEAD).split("\n"), "", "", "")
    if not commit.startswith("commit ") or not time.isdecimal():
        return None
    return GitCommit(id=commit.removeprefix("commit "), seconds=int(time), refs=_own_refs(refs))


def git(runner: CommandRunner, folder: Path, *arguments: str) -> str:
    """What git prints, or "" where it has no answer."""
    command = Command(argv=(*_GIT, "-C", str(folder), *arguments), timeout_seconds=_TIMEOUT_SECONDS)
    try:
        result = runner.run(command, check=False)
    except Error:
        return ""
    return result.text.strip() if result.exit_code == 0 else ""


def _own_refs(decoration: str) -> tuple[str, ...]:
    """`HEAD -> main, tag: v1, origin/main, other` → main, v1: what is checked out, and tags."""
    names = decoration.split(", ")
    branch = [name.removeprefix("HEAD -> ") for name in names if name.startswith("HEAD -> ")]
    tags = [name.removeprefix("tag: ") for name in names if name.startswith("tag: ")]
    return (*branch, *tags)
