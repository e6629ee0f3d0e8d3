"""Where the source came from: its git commit, for the image's project metadata label."""

import re
from pathlib import Path

from lifecycle.documents import SourceMetadata
from locald.config.project_toml import ProjectMetadata
from oci.errors import Error
from oci.process import Command, CommandRunner

# A repository's own configuration must not start programs when we merely look at it.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_TIMEOUT_SECONDS = 10.0


def source_metadata(
    app_dir: Path, project: ProjectMetadata, runner: CommandRunner
) -> SourceMetadata:
    """The git commit where there is one, else what project.toml says of the project."""
    commit = _git(runner, app_dir, "rev-parse", "HEAD")
    if commit:
        version = {"commit": commit}
        # Not `--dirty`: git would read the files through filters, which are programs that the
        # repository's configuration names.
        describe = _git(runner, app_dir, "describe", "--tags", "--always")
        if describe:
            version["describe"] = describe
        url = strip_credentials(_git(runner, app_dir, "config", "--get", "remote.origin.url"))
        refs = {"repository": url} if url else {}
        return SourceMetadata(type="git", version=version, metadata=refs)
    if project.version or project.source_url:
        return SourceMetadata(
            type="project",
            version={"declared": project.version} if project.version else {},
            metadata={"url": strip_credentials(project.source_url)} if project.source_url else {},
        )
    return SourceMetadata()


def strip_credentials(url: str) -> str:
    """The URL without user name and password; `git@host:path` has none to strip."""
    return re.sub(r"//[^/?#]*@", "//", url)


def _git(runner: CommandRunner, app_dir: Path, *arguments: str) -> str:
    """What git prints, or "" where it has no answer: no repository, no commit, no git at all."""
    command = Command(
        argv=(*_GIT, "-C", str(app_dir), *arguments), timeout_seconds=_TIMEOUT_SECONDS
    )
    try:
        result = runner.run(command, check=False)
    except Error:
        return ""
    return result.text.strip() if result.exit_code == 0 else ""
