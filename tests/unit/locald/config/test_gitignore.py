import os
import re
import subprocess
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from locald.config.gitignore import PatternList
from locald.config.ignore import SourceRules, scan_source
from locald.config.ignore_file import IgnoreFile


@pytest.mark.parametrize(
    ("lines", "path", "matches"),
    [
        (["*.log"], "a/b.log", True),
        (["*.log"], "a/b.log/", True),
        (["*.log", "!keep.log"], "a/keep.log", False),
        (["/a"], "b/a", False),
        (["a/"], "a", False),
        (["a/"], "x/a/", True),
        (["a/ "], "x/a/", True),
        (["*", "!keep/"], "keep/", False),
        (["x", "!foo"], "foo/x/", True),
        (["foo/**"], "foo/", False),
        (["foo/**/"], "foo/", False),
        (["foo/**/"], "foo/x", False),
        (["foo/**/"], "foo/x/", True),
        (["foo/**"], "foo/x/y", True),
        (["foo/**", "!foo/keep"], "foo/keep", False),
        (["**/foo/bar"], "foo/bar", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a/*"], "a/", False),
        (["a/*/"], "a/", False),
        (["**/*"], "a/", True),
        (["[!a]b"], "cb", True),
        (["a[!x]b", "a[,-9]b"], "a/b", False),
        (["a\\[!x]b"], "a[!x]b", True),
        (["[]a]"], "]", True),
        (["[[]"], "[", True),
        (["\\#x"], "#x", True),
        (["# [x", "", "   ", "/"], "x", False),
        (["x\\ "], "x ", True),
        (["x  "], "x", True),
        (["*"], "\n", True),
        (["x"], "new\nline/x", True),
        (["new?line"], "new\nline", True),
        (["x"], "x\n", False),
        (["caf\udce9"], "caf\udce9", True),
        (["a.b"], "axb", False),
        (["[[:digit:]x-z-]"], "7", True),
        (["[[:digit:]x-z-]"], "-", True),
        (["[[:digit:]x-z-]"], "w", False),
        (["a[[:upper:][:space:]]"], "a\t", True),
        (["[\\]-a]"], "^", True),
        (["[^[:punct:]]"], "~", False),
        (["a//b"], "a/b", False),
        (["***/b"], "x/y/b", True),
    ],
)
def test_the_last_matching_line_decides(lines: list[str], path: str, matches: bool) -> None:
    with warnings.catch_warnings(action="error"):
        patterns = PatternList(lines)
    assert patterns.match(path.rstrip("/"), folder=path.endswith("/")) is matches


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a[b", "'a[b' has a [ without its ]"),
        ("a[b/**", "'a[b/**' has a [ without its ]"),
        ("a\\", "'a\\\\' ends with a backslash that escapes nothing"),
        ("[z-a]", "'[z-a]' has a range that holds nothing: z-a"),
        ("!", "'!' is no pattern"),
        ("[[:digits:]]", "'[[:digits:]]' has no known class in [:digits:]"),
        ("[[:digit:]", "'[[:digit:]' has a [ without its ]"),
        ("a[\\", "'a[\\\\' has a [ without its ]"),
    ],
)
def test_a_pattern_that_would_mean_something_else_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        PatternList([line])


_FOLDERS = [
    "", "a/", "b/", "ab/", "b\n/",
    "a/a/", "a/b/", "b/a/", "b/b/", "ab/a/", "ab/b/", "b\n/b/",
    "a/b/a/", "b/a/ab/",
]  # fmt: skip
_FILES = ["a", "b", "ab", "abb", "c", "\n", "a\n"]
_PATHS = sorted(
    {folder.rstrip("/") for folder in _FOLDERS if folder}
    | {folder + file for folder in _FOLDERS for file in _FILES}
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree whose repository is `<tree>.git`."""
    root = tmp_path_factory.mktemp("git") / "tree"
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    for path in _PATHS:
        if f"{path}/" not in _FOLDERS:
            (root / path).touch()
    subprocess.run(["git", "init", "-q", "--bare", f"{root}.git"], check=True)
    return root


def ignored_by_git(tree: Path, lines: list[str]) -> set[str]:
    """Every path that git ignores, itself or with a folder above."""
    Path(f"{tree}.git/info").mkdir(exist_ok=True)
    Path(f"{tree}.git/info/exclude").write_text("".join(f"{line}\n" for line in lines))
    result = subprocess.run(
        ["git", f"--git-dir={tree}.git", f"--work-tree={tree}",
         "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=tree, input="".join(f"{path}\0" for path in _PATHS).encode(), capture_output=True,
        check=False, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )  # fmt: skip
    assert result.returncode in (0, 1), result.stderr
    return set(result.stdout.decode().split("\0")) - {""}


def hidden_by_the_walk(tree: Path, lines: list[str]) -> set[str]:
    # What is no pattern matches nothing, as for git; in a project's own list it is refused.
    file = IgnoreFile(label="ignore", lines=tuple(lines))
    scan = scan_source(tree, SourceRules(exclude=(), ignore_files=(file,)))
    hidden = tuple(f"{path}/" for path in scan.hidden)
    return {path for path in _PATHS if f"{path}/".startswith(hidden)}


_PARTS = st.sampled_from(
    ["a", "b", "ab", "*", "**", "?", "a*", "*b", "[ab]", "[!a]", "[a-b]", "a**b", "\\a", "[^b]",
     "a[!c]b", "a[,-9]b", "b?", "", "***", "*a*b*", "[[:alpha:]]", "[^[:upper:]b]", "[]-a]",
     "[\\a-b]", "[a\\]]*", "[[:a]", "?*", "*?b"]
)  # fmt: skip
_LINES = st.builds(
    lambda bang, lead, parts, tail: f"{bang}{lead}{'/'.join(parts)}{tail}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(_PARTS, min_size=1, max_size=4),
    st.sampled_from(["", "/"]),
)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(_LINES, min_size=1, max_size=5))
@example(lines=["a/**", "!a/b"])
@example(lines=["**", "!*/", "!c"])
@example(lines=["*", "!a/", "!a/b/"])
@example(lines=["b", "!/a"])
def test_a_walk_hides_what_git_ignores(tree: Path, lines: list[str]) -> None:
    assert hidden_by_the_walk(tree, lines) == ignored_by_git(tree, lines)


def test_ten_thousand_files_and_seven_patterns_take_little_time(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"package{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"package{folder}/module{number}.py").touch()
    rules = SourceRules(
        exclude=("*.log", "node_modules/", "/build", "docs/**", "!docs/keep", "*.py[co]", "**/tmp")
    )
    times = []
    for _ in range(5):
        start = time.process_time()
        assert scan_source(tmp_path, rules).files == 10_000
        times.append(time.process_time() - start)
    # 0.05 s when nothing else runs; the limit leaves room for a slow machine.
    assert min(times) < 0.5


@pytest.mark.parametrize("line", ["*a" * 30 + "b", "**/" + "a*/**/" * 12 + "b", "**/a" * 30 + "/b"])
def test_no_pattern_takes_exponential_time(line: str) -> None:
    patterns = PatternList([line])
    start = time.process_time()
    assert not patterns.match("a" * 250, folder=False)
    assert not patterns.match("a/" * 1000 + "a", folder=False)
    assert time.process_time() - start < 1
