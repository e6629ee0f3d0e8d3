import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locald.config.gitignore import PatternList

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def decide(lines: list[str], path: str) -> bool | None:
    cut = path.rstrip("/").rfind("/") + 1
    return PatternList(lines).decide(path[:cut], path[cut:])


@pytest.mark.parametrize(
    ("lines", "path", "decision"),
    [
        (["*.log"], "a/b.log", True),
        (["*.log"], "a/b.log/", True),
        (["*.log", "!keep.log"], "a/keep.log", False),
        (["/a"], "b/a", None),
        (["a/"], "a", None),
        (["a/"], "x/a/", True),
        (["foo/**"], "foo/", None),
        (["foo/**"], "foo/x/y", True),
        (["**/foo/bar"], "foo/bar", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a/*"], "a/b/c", None),
        (["a/*"], "a/", None),
        (["a/*/"], "a/", None),
        (["**/*"], "a/", True),
        (["[!a]b"], "cb", True),
        (["[[:digit:]]"], "5", True),
        (["\\#x"], "#x", True),
        (["# x", "", "   "], "x", None),
        (["x\\ "], "x ", True),
        (["x  "], "x", True),
        (["*"], "new\nline", True),
        (["caf\udce9"], "caf\udce9", True),
        (["a.b"], "axb", None),
    ],
)
def test_the_last_matching_line_decides(lines: list[str], path: str, decision: bool | None) -> None:
    assert decide(lines, path) is decision


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a[b", "'a[b' has a [ without its ]"),
        ("a\\", "'a\\\\' ends in a backslash"),
        ("[z-a]", "'[z-a]' has a range that runs backwards: z-a"),
        ("[[:nope:]]", "'[[:nope:]]' has the unknown character class [:nope:]"),
    ],
)
def test_a_pattern_that_could_never_match_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        PatternList([line])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def git_decides(repository: Path, lines: list[str], path: str) -> bool | None:
    """What git says about one entry: True also when something above it is ignored."""
    # The entry must exist, and its path not end in a slash: with `a/` git compares that text.
    shutil.rmtree(repository / "tree", ignore_errors=True)
    entry = repository / "tree" / path
    entry.parent.mkdir(parents=True)
    if path.endswith("/"):
        entry.mkdir()
    else:
        entry.touch()
    (repository / "tree/.gitignore").write_text("".join(f"{line}\n" for line in lines))
    result = subprocess.run(
        ["git", "-C", str(repository / "tree"), "check-ignore",
         "--no-index", "-v", "-z", "--stdin"],
        input=path.rstrip("/").encode() + b"\0", capture_output=True, check=False,
    )  # fmt: skip
    fields = result.stdout.split(b"\0")
    if not fields[0]:
        return None
    return not fields[2].startswith(b"!")


_PARTS = st.sampled_from(
    ["a", "b", "ab", "*", "**", "?", "a*", "*b", "[ab]", "[!a]", "[a-b]", "a**b", "\\a", "[^b]"]
)
_LINES = st.builds(
    lambda bang, lead, parts, tail: f"{bang}{lead}{'/'.join(parts)}{tail}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(_PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
_NAMES = st.sampled_from(["a", "b", "ab", "abb", "c"])


@needs_git
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(line=_LINES, names=st.lists(_NAMES, min_size=1, max_size=3), folder=st.booleans())
def test_one_pattern_means_what_it_means_to_git(
    repository: Path, line: str, names: list[str], folder: bool
) -> None:
    # git stops at an ignored folder above; a walk would, too.
    above = ["/".join(names[: i + 1]) + "/" for i in range(len(names) - 1)]
    patterns = [line]
    if any(decide(patterns, path) for path in above):
        return
    path = "/".join(names) + ("/" if folder else "")
    assert decide(patterns, path) is git_decides(repository, patterns, path)


@needs_git
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(_LINES, min_size=2, max_size=4),
    names=st.lists(_NAMES, min_size=1, max_size=3),
    folder=st.booleans(),
)
def test_several_patterns_hide_what_git_ignores(
    repository: Path, lines: list[str], names: list[str], folder: bool
) -> None:
    path = "/".join(names) + ("/" if folder else "")
    prefixes = ["/".join(names[: i + 1]) + "/" for i in range(len(names) - 1)] + [path]
    hidden = any(decide(lines, prefix) for prefix in prefixes)
    assert hidden is bool(git_decides(repository, lines, path))
