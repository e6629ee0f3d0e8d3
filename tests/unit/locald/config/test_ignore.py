import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locald.config.errors import ConfigError
from locald.config.ignore import SourceRules, scan_source


def tree(root: Path, *files: str) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("x")


def hidden(root: Path, rules: SourceRules | None = None) -> list[str]:
    return [str(path) for path in scan_source(root, rules or SourceRules()).hidden]


def test_the_defaults(tmp_path: Path) -> None:
    tree(
        tmp_path,
        ".git/HEAD", "web/node_modules/a/b", "x/__pycache__/y", ".DS_Store", ".locald/z",
        "crate/Cargo.toml", "crate/target/debug/a", "docs/target/page",
        ".venv/pyvenv.cfg", "venv/notes.txt", "src/main.py", ".gitignore", ".env",
    )  # fmt: skip
    assert hidden(tmp_path) == [
        ".DS_Store", ".git", ".locald", ".venv", "crate/target", "web/node_modules",
        "x/__pycache__",
    ]  # fmt: skip


def test_exclude_replaces_the_defaults(tmp_path: Path) -> None:
    tree(tmp_path, ".git/HEAD", "a.log", "logs/b.log", "logs/keep.log", "build/x/y", "build/z")
    rules = SourceRules(exclude=("*.log", "!keep.log", "/build/*", "!/build/z"))
    assert hidden(tmp_path, rules) == ["a.log", "build/x", "logs/b.log"]
    assert hidden(tmp_path, SourceRules(exclude=())) == []


def test_include_hides_all_else(tmp_path: Path) -> None:
    tree(tmp_path, "src/a.py", "src/secret/key", "doc/b.md", "doc/c.txt", "LICENSE", "x/y/z")
    rules = SourceRules(include=("src/", "*.md", "!secret"))
    assert hidden(tmp_path, rules) == ["LICENSE", "doc/c.txt", "src/secret", "x"]


def test_include_takes_the_last_word_about_the_folders_above(tmp_path: Path) -> None:
    tree(tmp_path, "src/a.py", "src/secret/key", "doc/b.md")
    rules = SourceRules(include=("!secret", "src/"))
    assert hidden(tmp_path, rules) == ["doc"]
    rules = SourceRules(include=("src/**", "!src/secret/**"))
    assert hidden(tmp_path, rules) == ["doc", "src/secret"]


def test_exclude_below_a_folder_leaves_the_folder_and_what_is_kept(tmp_path: Path) -> None:
    tree(tmp_path, "foo/keep", "foo/drop", "foo/bar/drop", "new\nline/drop", "new\nline/keep")
    rules = SourceRules(exclude=("foo/**", "!foo/keep", "drop"))
    assert hidden(tmp_path, rules) == ["foo/bar", "foo/drop", "new\nline/drop"]


def test_a_pattern_that_cannot_be_read_is_named() -> None:
    rules = SourceRules(exclude=("ok", "a[b"), where="locald.toml: service.web.build")
    with pytest.raises(ConfigError) as caught:
        rules.rule()
    assert caught.value.message == (
        "locald.toml: service.web.build.exclude[1]: 'a[b' has a [ without its ]"
    )


_BYTES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(names=st.lists(_BYTES, min_size=1, max_size=5, unique=True))
def test_every_name_there_can_be_is_hidden_by_a_star(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    root = tmp_path_factory.mktemp("names")
    for name in names:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
    scan = scan_source(root, SourceRules(exclude=("*",)))
    assert {os.fsencode(str(path)) for path in scan.hidden} == set(names)
    assert scan.files == 0
