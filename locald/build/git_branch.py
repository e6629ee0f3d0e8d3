"""The branch that a folder is a checkout of, read from git's files: no process is started for it.

Source: gitrepository-layout(5), "HEAD", "gitdir", "worktrees".
"""

import os
from collections.abc import Iterator
from pathlib import Path

from lifecycle.caches import folder_text
from locald.config.request import BuildRequest
from oci.store_names import MadeFor

_HEAD_BRANCH = "ref: refs/heads/"
_GITDIR = "gitdir:"
_MAX_BYTES = 4096
_SHORT_COMMIT = 12


def git_branch(folder: Path) -> str:
    """`main`; the beginning of the commit where no branch is checked out; "" without git."""
    git = _git_folder(folder)
    return "" if git is None else _head(git)


def worktree_of(folder: Path, branch: str) -> Path | None:
    """Where this folder's place is in the checkout of another branch of the same repository."""
    git, top = _git_folder(folder), _top(folder)
    if git is None or top is None:
        return None
    for other, its_git in _worktrees(_common(git)):
        if _head(its_git) == branch:
            return other / folder.resolve().relative_to(top)
    return None


def _worktrees(common: Path) -> Iterator[tuple[Path, Path]]:
    """Each checkout with its own folder of git's: the main one, then the linked ones."""
    if common.name == ".git":
        yield common.parent, common
    try:
        linked = sorted((common / "worktrees").iterdir())
    except OSError:
        return
    for git in linked:
        place = _text(git / "gitdir")
        if place:
            yield Path(os.path.normpath(git / place)).parent, git


def made_for(request: BuildRequest) -> MadeFor:
    """Whose image a request's is."""
    return MadeFor(project=folder_text(request.project_dir), branch=git_branch(request.project_dir))


def _git_folder(folder: Path) -> Path | None:
    top = _top(folder)
    if top is None:
        return None
    git = top / ".git"
    if git.is_dir():
        return git
    text = _text(git)
    if not text.startswith(_GITDIR):
        return None
    return Path(os.path.normpath(top / text.removeprefix(_GITDIR).strip()))


def _top(folder: Path) -> Path | None:
    resolved = folder.resolve()
    places = (resolved, *resolved.parents)
    return next((place for place in places if os.path.lexists(place / ".git")), None)


def _common(git: Path) -> Path:
    """The repository that a linked checkout belongs to."""
    text = _text(git / "commondir")
    return Path(os.path.normpath(git / text)) if text else git


def _head(git: Path) -> str:
    text = _text(git / "HEAD")
    if text.startswith(_HEAD_BRANCH):
        return text.removeprefix(_HEAD_BRANCH)
    return text[:_SHORT_COMMIT] if text.isalnum() else ""


def _text(path: Path) -> str:
    """The first line of a small plain file; "" for anything else."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError:
        return ""
    return data.decode(errors="replace").partition("\n")[0].strip()
