"""The configuration files that README.md and docs/ show are files that locald reads.

A block says which file it is: ```toml title="locald.toml", or a line before it that names the file
and ends with a colon. Blocks of one page with titles below one folder make up that folder.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle.builder_toml import read_builder_toml
from lifecycle.buildpack import Buildpack
from lifecycle.dockerfile import Dockerfile, DockerfileKind
from locald.config.build_flags import BuildFlags
from locald.config.dotenv import read_env_file
from locald.config.locald_toml import read_locald_toml
from locald.config.procfile import read_procfile
from locald.config.project_schema import read_project_toml
from locald.config.resolve import read_requests
from locald.config.user_config import read_user_config
from locald.paths import Paths

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))

_BLOCK = re.compile(
    r"^(?P<before>[^\n]*)\n\n?```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SERVICE_FOLDER = re.compile(r'^path = "([^"]+)"$', re.MULTILINE)
_NAMED_BEFORE = re.compile(r"`([\w.-]+\.toml)`[^`]*:$")

_READERS: dict[str, Callable[[Path], object]] = {
    "locald.toml": read_locald_toml,
    "project.toml": read_project_toml,
    "config.toml": read_user_config,
    "builder.toml": read_builder_toml,
    "buildpack.toml": lambda path: Buildpack.read(path.parent),
    "extension.toml": lambda path: Buildpack.read(path.parent),
    "build.Dockerfile": lambda path: Dockerfile.parse(
        path.read_bytes(), kind=DockerfileKind.BUILD, origin=str(path)
    ),
    "Procfile": read_procfile,
    "build.env": lambda path: read_env_file(path, environ=None),
}
# Shown as parts of other files, or for other programs.
_OTHERS = {"storage.conf", ".taplo.toml", "detect", "build"}


@dataclass(frozen=True)
class Example:
    """A block of a page. title: the path of the file, or "" when nothing says it."""

    page: Path
    title: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return Path(self.title).name

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.title or self.text[:40]!r}"


def _examples() -> Iterator[Example]:
    for page in PAGES:
        for block in _BLOCK.finditer(page.read_text()):
            named = _NAMED_BEFORE.search(block["before"])
            title = block["title"] or (named[1] if named else "")
            if title or block["language"] == "toml":
                yield Example(page, title, block["language"], block["text"])


EXAMPLES = tuple(_examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_a_file_that_is_read(example: Example, tmp_path: Path) -> None:
    assert example.title, "say which file it is"
    if example.name in _OTHERS:
        return
    _write(example, tmp_path)
    _READERS[example.name](tmp_path / example.title)


@pytest.mark.parametrize(
    "example",
    [one for one in EXAMPLES if one.name in ("locald.toml", "project.toml")],
    ids=str,
)
def test_a_project_with_the_example_can_be_built(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALD_CONFIG_DIR", str(tmp_path / "none"))
    project = tmp_path / "folder"
    project.mkdir()
    for one in (*_companions(example), example):
        (project / one.title).write_text(one.text)
    for folder in _SERVICE_FOLDER.findall(example.text):
        (project / folder).mkdir(parents=True)
    assert read_requests(BuildFlags(path=project), Paths.from_environment(), environ={})


def test_every_kind_of_file_has_an_example() -> None:
    assert {"locald.toml", "project.toml", "config.toml", "builder.toml", "buildpack.toml"} <= {
        one.name for one in EXAMPLES
    }


def test_the_env_file_is_read_as_its_comments_say(tmp_path: Path) -> None:
    (example,) = (one for one in EXAMPLES if one.name == "build.env")
    path = tmp_path / example.name
    path.write_text(example.text)
    assert read_env_file(path, environ=None) == {
        "BP_NODE_VERSION": "22",
        "GREETING": "two words\nand a second line",
        "PATTERN": r"taken as it is: $HOME \n",
        "LEVEL": "debug",
    }


def _companions(example: Example) -> Iterator[Example]:
    for one in EXAMPLES:
        if one.page == example.page and one.name == "build.env":
            yield one


def _write(example: Example, folder: Path) -> None:
    """The page's files, of those with the same name this one."""
    for one in (*EXAMPLES, example):
        if one.page == example.page and one.title:
            path = folder / one.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.text)
            path.chmod(0o755 if one.text.startswith("#!") else 0o644)
