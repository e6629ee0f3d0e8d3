"""Where the source came from: its git commit, and what project.toml says of the project, for the
label `io.buildpacks.project.metadata`."""

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.documents import SourceMetadata
from locald.build.git_commit import git, read_commit
from locald.config.project_toml import ProjectMetadata
from oci.process import CommandRunner

_TOML_TIMES = (datetime.datetime, datetime.date, datetime.time)


def source_metadata(
    app_dir: Path | None, project: ProjectMetadata, runner: CommandRunner
) -> SourceMetadata:
    """The commit where there is one, else the version that the project declares.

    app_dir: None for a source that came as an archive, in whose place git knows others' commits.
    The keys are pack's (`refs`, `url`, `declared`) and kpack's (`repository`); all that
    project.toml says is below `project`, since the format has no other place for it.
    """
    declared = {"declared": project.version} if project.version else {}
    described = _described(project)
    everything = {"project": described} if described else {}
    commit = read_commit(app_dir, runner) if app_dir is not None else None
    if app_dir is not None and commit is not None:
        # Not `--dirty`: git would read the files through filters, which are programs that the
        # repository's configuration names.
        describe = git(runner, app_dir, "describe", "--tags", "--always")
        url = strip_credentials(git(runner, app_dir, "config", "--get", "remote.origin.url"))
        return SourceMetadata(
            type="git",
            version={
                "commit": commit.id, **({"describe": describe} if describe else {}), **declared,
            },
            metadata={
                **({"repository": url, "url": url} if url else {}),
                **({"refs": list(commit.refs)} if commit.refs else {}),
                **everything,
            },
        )  # fmt: skip
    url = described.get("source-url", "")
    if declared or everything:
        return SourceMetadata(
            type="project",
            version=declared,
            metadata={**({"url": url} if url else {}), **everything},
        )
    return SourceMetadata()


def image_labels(project: ProjectMetadata) -> Mapping[str, str]:
    """What project.toml says, as the labels that registries and other tools look for.

    Source: OCI image-spec 1.1, "Pre-Defined Annotation Keys".
    """
    licenses = [f"({one.type})" if " " in one.type else one.type for one in project.licenses]
    found = {
        "title": project.name,
        "version": project.version,
        "authors": ", ".join(project.authors),
        "licenses": " AND ".join(licenses) if all(licenses) else "",
        "documentation": strip_credentials(project.documentation_url),
        "source": strip_credentials(project.source_url),
    }
    return {f"org.opencontainers.image.{name}": text for name, text in found.items() if text}


def strip_credentials(url: str) -> str:
    """The URL without user name and password; `git@host:path` has none to strip."""
    return re.sub(r"//[^/?#]*@", "//", url)


def _described(project: ProjectMetadata) -> dict[str, Any]:
    fields = {
        name: value
        for name, value in msgspec.to_builtins(project, builtin_types=_TOML_TIMES).items()
        if value and name != "schema-version"
    }
    for name in ("source-url", "documentation-url"):
        if name in fields:
            fields[name] = strip_credentials(fields[name])
    if "licenses" in fields:
        fields["licenses"] = [
            {name: text for name, text in one.items() if text} for one in fields["licenses"]
        ]
    return fields
