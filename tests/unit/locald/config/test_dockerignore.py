"""The expected answers are those of moby's patternmatcher, which the table was checked against."""

import time
from pathlib import Path

import pytest

from locald.config.dockerignore import DockerPatternList
from locald.config.errors import ConfigError
from locald.config.gitignore import NO_LINE
from locald.config.ignore import SourceRules, scan_source
from locald.config.ignore_file import IgnoreFile, IgnoreSyntax


def excludes(lines: list[str], path: str) -> bool:
    """What Docker says of one path: the last line that matches it or a folder above decides."""
    patterns = DockerPatternList(lines)
    parts = path.split("/")
    line = max(patterns.last_match("/".join(parts[: n + 1])) for n in range(len(parts)))
    return line != NO_LINE and not patterns.is_negated(line)


@pytest.mark.parametrize(
    ("lines", "path", "excluded"),
    [
        (["*.log"], "a.log", True),
        (["*.log"], "x/a.log", False),
        (["**/*.log"], "a.log", True),
        (["**/*.log"], "x/y/a.log", True),
        (["node_modules"], "node_modules/a/b", True),
        (["node_modules"], "web/node_modules/a", False),
        (["/dist/"], "dist/x", True),
        (["./a//b/../c/"], "a/c/x", True),
        (["  spaced  "], "spaced", True),
        (["#a", "", " #b"], "#b", True),
        (["#a"], "#a", False),
        (["*/temp*"], "x/temporary/y", True),
        (["*/temp*"], "x/y/temp", False),
        (["temp?"], "tempa", True),
        (["temp?"], "temp", False),
        (["**"], "a/b", True),
        (["dir/**"], "dir", False),
        (["dir/**"], "dir/x/y", True),
        (["dir**"], "directory/x", True),
        (["**/dir"], "a/dir/x", True),
        (["**dir"], "a/xdir", True),
        (["a**/*.txt"], "a/x/y/f.txt", True),
        (["a**b"], "ab", True),
        (["a**b"], "ax/b", True),
        (["a**b"], "axb", False),
        (["a*b*c*d*e*/f"], "axbxcxdxexxx/f", True),
        (["a*b?c*x"], "abxbbxdbxebxczzy", False),
        (["a[^b-d]e"], "aze", True),
        (["a[!b]e"], "aze", False),
        (["a[!b]e"], "a!e", True),
        (["foo[-_]bar"], "foo-bar", True),
        (["foo[_-]bar"], "foo-bar", True),
        (["[]a]"], "]", True),
        (["a\\*b"], "a*b", True),
        (["a\\*b"], "axb", False),
        (["a(b)c.|$+{"], "a(b)c.|$+{", True),
        (["a.b"], "axb", False),
        (["?"], "\n", True),
        (["*.md", "!README.md"], "README.md", False),
        (["!README.md", "*.md"], "README.md", True),
        (["docs", "! docs/keep "], "docs/keep/x", False),
        (["**", "!util/web", "util/web/x"], "util/web/x", True),
        (["**", "!util/web", "util/web/x"], "util/web/y", False),
    ],
)
def test_as_docker(lines: list[str], path: str, excluded: bool) -> None:
    assert excludes(lines, path) is excluded


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("!", ".dockerignore:2: '!' is no pattern"),
        ("a[b", ".dockerignore:2: 'a[b' has a [ without its ]"),
        ("a\\", ".dockerignore:2: 'a\\\\' ends with a backslash that escapes nothing"),
        ("[b-a]", ".dockerignore:2: '[b-a]' has a range that holds nothing: b-a"),
    ],
)
def test_what_docker_refuses_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dockerignore("# first", line).rule()
    assert caught.value.message == message


def dockerignore(*lines: str, below: str = "", prefix: str = "") -> SourceRules:
    file = IgnoreFile(
        label=".dockerignore",
        lines=lines,
        syntax=IgnoreSyntax.DOCKER,
        below=below,
        prefix=prefix,
    )
    return SourceRules(exclude=(), ignore_files=(file,))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in (
        "a.log", "web/a.log", "docs/page", "docs/keep/one", "docs/deep/keep", "empty/.x",
        "node_modules/left/README.md", "src/main.py",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty/.x").unlink()
    return tmp_path


def hidden(source: Path, rules: SourceRules) -> list[str]:
    return [str(path) for path in scan_source(source, rules).hidden]


def test_an_excluded_folder_is_gone_unless_something_in_it_comes_back(source: Path) -> None:
    rules = dockerignore("docs", "!docs/keep", "!**/deep/no", "node_modules", "empty", "*.log")
    assert hidden(source, rules) == ["a.log", "docs/deep", "docs/page", "empty", "node_modules"]
    assert hidden(source, dockerignore("*", "!src")) == [
        "a.log", "docs", "empty", "node_modules", "web",
    ]  # fmt: skip


def test_a_folder_that_comes_back_empty_is_there(source: Path) -> None:
    assert hidden(source, dockerignore("*", "!empty")) == [
        "a.log", "docs", "node_modules", "src", "web",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "looked_into"),
    [
        ("node_modules/", False),
        ("b/", True),
        ("b/c/", True),
        ("b/c/d/", False),
        ("b/x/", False),
        ("else/", True),
        ("early/", False),
    ],
)
def test_a_folder_is_looked_into_where_a_later_line_may_bring_something_back(
    folder: str, looked_into: bool
) -> None:
    lines = ["!early/x", "*", "!b/c/d", "!el*/f", "!README.md"]
    assert DockerPatternList(lines).may_return(folder, after=1) is looked_into
    assert DockerPatternList([*lines, "!**/g"]).may_return(folder, after=1)


def test_a_file_in_a_folder_above_or_below_is_about_its_own_folder(source: Path) -> None:
    assert hidden(source, dockerignore("services/api/*.log", prefix="services/api/")) == ["a.log"]
    assert hidden(source, dockerignore("services/api", prefix="services/api/")) == []
    assert hidden(source, dockerignore("*.log", below="web/")) == ["web/a.log"]


def test_why(source: Path) -> None:
    rule = dockerignore("docs", "!docs/keep", "*.log").rule()
    scan_source(source, SourceRules(), rule=rule)
    assert rule.why("docs/page", folder=False) == ".dockerignore:1: docs"
    assert rule.why("a.log", folder=False) == ".dockerignore:3: *.log"
    assert rule.why("docs/keep", folder=True) == ""


@pytest.mark.parametrize("line", ["*a" * 30 + "b", "a*/" * 20 + "b"])
def test_no_pattern_of_names_takes_exponential_time(line: str) -> None:
    patterns = DockerPatternList([line])
    start = time.process_time()
    assert patterns.last_match("a" * 250) == NO_LINE
    assert patterns.last_match("a/" * 1000 + "a") == NO_LINE
    assert time.process_time() - start < 1
