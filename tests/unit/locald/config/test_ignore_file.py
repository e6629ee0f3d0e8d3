"""Ignore files that the user names: which files count, and for what part of the source."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locald.config.errors import ConfigError
from locald.config.ignore import SourceRules, scan_source
from locald.config.ignore_file import IgnoreFile, IgnoreSyntax


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def hidden(source: Path, *files: Path) -> list[str]:
    named = tuple(IgnoreFile.read(file, source) for file in files)
    return [str(p) for p in scan_source(source, SourceRules(exclude=(), ignore_files=named)).hidden]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            ".gitignore": "*.log\n/out\nservices/*/tmp\n\n# no\n",
            "services/.gitignore": "!api.log\n",
            "services/api/.gitignore": "/data\n",
            "services/api/data/x": "",
            "services/api/api.log": "",
            "services/api/b.log": "",
            "services/api/out/x": "",
            "services/api/tmp/x": "",
            "services/api/web/.gitignore": "!b.log\ndist/\n",
            "services/api/web/b.log": "",
            "services/api/web/dist/x": "",
        },
    )
    return tmp_path


def test_gits_own_files_in_folders_below_count(project: Path) -> None:
    assert hidden(project, project / ".gitignore") == [
        "services/api/b.log", "services/api/data", "services/api/tmp", "services/api/web/dist",
    ]  # fmt: skip


def test_one_in_a_folder_above_is_about_its_own_folder(project: Path) -> None:
    api = project / "services/api"
    assert hidden(api, project / ".gitignore") == ["b.log", "data", "tmp", "web/dist"]
    assert hidden(api, api / ".gitignore") == ["data", "web/dist"]
    assert hidden(api, api / "web/.gitignore") == ["web/dist"]


def test_one_of_another_name_counts_alone(project: Path) -> None:
    (project / "no").write_text("*.log")
    assert hidden(project / "services/api", project / "no") == ["api.log", "b.log", "web/b.log"]


def test_one_of_elsewhere_holds_for_the_whole_source(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("home")
    write(elsewhere, {".gitignore": "/web\r\n"})
    assert hidden(project / "services/api", elsewhere / ".gitignore") == ["web"]


def test_several_files_add_up(project: Path) -> None:
    write(project, {".dockerignore": "services/api/web\n", "web.dockerignore": "services/api/out"})
    api = project / "services/api"
    assert hidden(api, api / ".gitignore", project / ".dockerignore") == ["data", "web"]
    assert hidden(api, project / "web.dockerignore") == ["out"]
    assert IgnoreFile.read(project / "web.dockerignore", api).syntax is IgnoreSyntax.DOCKER


def test_an_ignore_file_adds_to_the_projects_own_rules(project: Path) -> None:
    (project / "node_modules").mkdir()
    file = IgnoreFile.read(project / "services/api/.gitignore", project)
    rules = SourceRules(ignore_files=(file,))
    assert [str(path) for path in scan_source(project, rules).hidden] == [
        "node_modules", "services/api/data", "services/api/web/dist",
    ]  # fmt: skip
    rules = SourceRules(include=("/services/api/data", "*.log"), ignore_files=(file,))
    assert "services/api/data" in [str(path) for path in scan_source(project, rules).hidden]


def test_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    rules = SourceRules(ignore_files=(IgnoreFile.read(project / ".gitignore", project),))
    rule = rules.rule()
    scan_source(project, rules, rule=rule)
    assert rule.why("services/api/b.log", folder=False) == ".gitignore:1: *.log"
    assert rule.why("services/api/data", folder=True) == "services/api/.gitignore:1: /data"
    assert rule.why("services/api/api.log", folder=False) == ""
    assert rule.why("services/node_modules", folder=True) == "default: node_modules"


def test_links_are_no_gitignore(project: Path) -> None:
    write(project, {"target": "*\n"})
    (project / "services/api/web/.gitignore").unlink()
    (project / "services/api/web/.gitignore").symlink_to("../../../target")
    assert "services/api/web" not in hidden(project, project / ".gitignore")
    assert "services/api/web/dist" not in hidden(project, project / ".gitignore")


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    for name in ("missing", ".gitignore", "."):
        with pytest.raises(ConfigError):
            IgnoreFile.read(tmp_path / name, tmp_path)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "ignore").write_bytes(b"\xef\xbb\xbfcaf\xe9\n")
    (tmp_path / os.fsdecode(b"caf\xe9")).touch()
    assert hidden(tmp_path, tmp_path / "ignore") == ["caf\udce9"]


_FILES = ("", "a/", "a/b/", "c/")
_NAMES = ("a", "b", "c", "a/a", "a/b/x", "a/b/y", "a/b/a/x", "c/x", "c/a", "d/x")
_LINES = st.lists(
    st.builds(
        lambda bang, lead, text, tail: f"{bang}{lead}{text}{tail}",
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "", "/"]),
        st.sampled_from(["a", "b", "x", "a/b", "b/*", "*", "**/x", "[ab]", "b/a/x", "?"]),
        st.sampled_from(["", "", "/"]),
    ),
    max_size=3,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=st.dictionaries(st.sampled_from(_FILES), _LINES, min_size=1))
def test_nested_files_hide_what_git_ignores(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, list[str]]
) -> None:
    root = tmp_path_factory.mktemp("nested")
    paths = []
    for name in _NAMES:
        paths.append(name)
        if name not in ("a", "c"):
            write(root, {name if name != "b" else "b/x": ""})
    write(root, {".gitignore": ""})
    for folder, lines in files.items():
        write(root, {f"{folder}.gitignore": "".join(f"{line}\n" for line in lines)})
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    result = subprocess.run(
        ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"],
        input="".join(f"{path}\0" for path in paths).encode(), capture_output=True,
        check=False, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )  # fmt: skip
    ignored = set(result.stdout.decode().split("\0")) - {""}
    gone = tuple(f"{path}/" for path in hidden(root, root / ".gitignore"))
    assert {path for path in paths if f"{path}/".startswith(gone)} == ignored
