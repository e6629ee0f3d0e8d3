"""What a build would see of a source, and why it would not see the rest."""

import json
import os
from pathlib import Path

import pytest

from locald.build.context import BIGGEST, ContextFile, ContextFolder, source_context
from locald.cli.context_text import context_json, context_lines
from locald.config.ignore import SourceRules
from locald.config.ignore_file import IgnoreFile
from oci.errors import UsageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, size in (
        ("index.html", 300), ("css/page.css", 2000), ("css/deep/x.css", 500), ("a.log", 7),
        ("node_modules/x/y", 9), ("crate/Cargo.toml", 1), ("crate/target/x", 5),
        (".venv/pyvenv.cfg", 1),
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "link").symlink_to("index.html")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_sums_and_the_biggest(source: Path) -> None:
    context = source_context(source, SourceRules(), every_file=True)
    assert (context.files, context.size_bytes) == (5, 2808)
    assert context.folders == (
        ContextFolder(path="css/", files=2, size_bytes=2500),
        ContextFolder(path="", files=3, size_bytes=307),
        ContextFolder(path="crate/", files=1, size_bytes=1),
    )
    assert [file.path for file in context.biggest] == [
        "css/page.css", "css/deep/x.css", "index.html", "a.log", "crate/Cargo.toml",
    ]  # fmt: skip
    assert ContextFile(path="link", size_bytes=0) in context.entries
    assert context.notes == ("left out pipe: a FIFO",)
    assert source_context(source, SourceRules(), every_file=False).entries == ()


def test_only_so_many_are_the_biggest(tmp_path: Path) -> None:
    for size in range(1, 50):
        (tmp_path / f"f{size}").write_bytes(bytes(size))
    biggest = source_context(tmp_path, SourceRules(), every_file=False).biggest
    assert [file.size_bytes for file in biggest] == list(range(49, 49 - BIGGEST, -1))


def why(source: Path, rules: SourceRules) -> dict[str, str]:
    context = source_context(source, rules, every_file=False)
    return {one.path: one.why for one in context.excluded}


def test_the_default_that_excludes(source: Path) -> None:
    assert why(source, SourceRules()) == {
        ".venv/": "default: .venv with a pyvenv.cfg",
        "crate/target/": "default: target beside a Cargo.toml",
        "node_modules/": "default: node_modules",
        "pipe": "a FIFO",
    }


def test_the_line_that_excludes(source: Path) -> None:
    rules = SourceRules(exclude=("*.log", "/css/deep"), where="project.toml: io.buildpacks")
    assert why(source, rules) == {
        "a.log": "project.toml: io.buildpacks.exclude[0]: *.log",
        "css/deep/": "project.toml: io.buildpacks.exclude[1]: /css/deep",
        "pipe": "a FIFO",
    }
    file = IgnoreFile(label=".cnbignore", lines=("# no logs", "*.log"))
    assert why(source, SourceRules(cnbignore=file))["a.log"] == ".cnbignore:2: *.log"


def test_what_no_line_includes(source: Path) -> None:
    where = "locald.toml: service.web.build"
    found = why(source, SourceRules(include=("/css", "*.html", "!/css/deep"), where=where))
    assert found["css/deep/"] == f"{where}.include[2]: !/css/deep"
    assert found["a.log"] == f"not in {where}.include"
    assert found["node_modules/"] == f"not in {where}.include"
    assert "css/" not in found


def test_what_cannot_be_read_is_an_error_as_in_a_build(source: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (source / "css").chmod(0)
    try:
        with pytest.raises(UsageError, match="cannot read"):
            source_context(source, SourceRules(), every_file=False)
    finally:
        (source / "css").chmod(0o755)


def test_the_text(source: Path) -> None:
    context = source_context(source, SourceRules(), every_file=False)
    assert list(context_lines({"source": ".", "rules": "default"}, context, everything=False)) == [
        "source   .",
        "rules    default",
        "content  5 files, 2.8 kB",
        "",
        "Folders",
        "  2.5 kB  2 files  css/",
        "   307 B  3 files  (not in a folder)",
        "     1 B   1 file  crate/",
        "",
        "Biggest files",
        "  2.0 kB  css/page.css",
        "   500 B  css/deep/x.css",
        "   300 B  index.html",
        "     7 B  a.log",
        "     1 B  crate/Cargo.toml",
        "",
        "Excluded",
        "  pipe           a FIFO",
        "  .venv/         default: .venv with a pyvenv.cfg",
        "  node_modules/  default: node_modules",
        "  crate/target/  default: target beside a Cargo.toml",
    ]


def test_much_of_the_same_is_cut_short(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"d{number:02}").mkdir()
        (tmp_path / f"d{number:02}/x").write_text("x")
        (tmp_path / f"{number:02}.log").touch()
    rules = SourceRules(exclude=("*.log",), where="project.toml: io.buildpacks")
    context = source_context(tmp_path, rules, every_file=False)
    lines = list(context_lines({}, context, everything=False))
    assert "  … and 10 more (-v lists all)" in lines
    assert lines[-1].startswith("  … and 25 more (-v lists all)  project.toml")
    assert len(list(context_lines({}, context, everything=True))) > 70


def test_names_are_made_safe(tmp_path: Path) -> None:
    name = b"\x1b]0;title\x07two\nlines\xff##[command]"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    context = source_context(tmp_path, SourceRules(), every_file=True)
    text = "\n".join(context_lines({}, context, everything=True))
    assert "\x1b" not in text
    assert "two\\nlines\\udcff" in text
    line = context_json({"source": "."}, context)
    assert line.isprintable()
    assert "##[" not in line
    (entry,) = json.loads(line)["entries"]
    assert os.fsencode(entry["path"]) == name
