"""House rules that ruff and mypy cannot hold: see CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import (
    ROOT,
    Module,
    modules_of_tests,
    product_modules,
    tracked_files,
)

PROCESS = "oci/process.py"
# __main__ answers --version before anything is imported.
TERMINAL_WRITERS = ("locald/cli/console.py", "locald/__main__.py")
MAX_LINES = 400
# Folders and files named after nothing.
NAMELESS = {"utils", "util", "common", "helpers", "misc", "core"}

CHILD_PROCESS_MODULES = {"subprocess", "pty", "multiprocessing"}
CHILD_PROCESS_CALLS = re.compile(
    r"os\.(system|popen|fork|forkpty|posix_spawnp?|spawn\w+|exec\w+)"
    r"|asyncio\.create_subprocess_\w+"
)
TERMINAL_CALLS = re.compile(
    r"print|(typer|click)\.(echo|secho)|sys\.(stdout|stderr)\.(write|writelines|buffer\..+)"
)
ARCHIVE_MODULES = {"tarfile", "zipfile", "shutil"}
EXTRACTING_CALLS = re.compile(r".*\.(extract|extractall|unpack_archive)")

# In pieces, so that this file does not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(labels)
    for labels in (
        ("pypi", "org"), ("files", "pythonhosted", "org"),
        ("index", "crates", "io"), ("static", "crates", "io"),
        ("proxy", "golang", "org"), ("sum", "golang", "org"),
        ("registry", "npmjs", "org"), ("registry", "yarnpkg", "com"),
        ("repo1", "maven", "org"), ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"), ("security", "debian", "org"), ("snapshot", "debian", "org"),
    )
)  # fmt: skip
# Where this checkout and its user live, on whatever machine the test runs (but "/" and "/root"
# are words of their own), and folders that exist on our machines only.
MACHINE_PATHS = tuple(
    [str(path) for path in (ROOT, Path.home()) if len(path.parts) > 2]
    + ["/" + "work/main", "/" + "work/shared", "/" + "work/.library", "/" + "root/.pyenv"]
)


@pytest.fixture(scope="module")
def modules() -> tuple[Module, ...]:
    return product_modules()


def test_every_child_process_starts_in_the_runner(modules: tuple[Module, ...]) -> None:
    others = [module for module in modules if str(module.path) != PROCESS]
    imported = [
        f"{module.path}:{found.line} imports {found.module}"
        for module in others
        for found in module.imports()
        if found.package in CHILD_PROCESS_MODULES
    ]
    called = [
        f"{module.at(node)} uses {name}"
        for module in others
        for name, node in module.dotted_names()
        if CHILD_PROCESS_CALLS.fullmatch(name)
    ]
    assert not imported + called


def test_only_the_console_writes_to_the_terminal(modules: tuple[Module, ...]) -> None:
    wrong = [
        f"{module.at(node)} uses {name}"
        for module in modules
        if str(module.path) not in TERMINAL_WRITERS
        for name, node in module.dotted_names()
        if TERMINAL_CALLS.fullmatch(name)
    ]
    assert not wrong


def test_archives_are_never_extracted_by_python(modules: tuple[Module, ...]) -> None:
    """Layers come from strangers: umoci and the lifecycle unpack them, we only read."""
    wrong = [
        f"{module.at(node)} uses {name}"
        for module in modules
        for name, node in module.dotted_names()
        if EXTRACTING_CALLS.fullmatch(name)
        and ARCHIVE_MODULES.intersection(found.package for found in module.imports())
    ]
    assert not wrong


def test_every_module_says_what_it_is_for(modules: tuple[Module, ...]) -> None:
    assert not [str(module.path) for module in modules if not ast.get_docstring(module.tree)]


def test_files_are_short_enough_to_read(modules: tuple[Module, ...]) -> None:
    wrong = [
        f"{module.path}: {lines} lines: which second noun moved in?"
        for module in modules + modules_of_tests()
        if (lines := len(module.text.splitlines())) > MAX_LINES
    ]
    assert not wrong


def test_files_are_named_after_a_noun(modules: tuple[Module, ...]) -> None:
    wrong = [
        str(module.path)
        for module in modules + modules_of_tests()
        if NAMELESS.intersection(module.path.with_suffix("").parts)
    ]
    assert not wrong


def test_no_file_names_a_package_registry_or_a_machine() -> None:
    pattern = re.compile(
        "|".join(
            [rf"(?<![\w.-]){re.escape(host)}(?![\w.-]*\w)" for host in REGISTRY_HOSTS]
            + [rf"(?<![\w.]){re.escape(path)}(?!\w)" for path in MACHINE_PATHS]
        ).encode()
    )
    wrong = [
        f"{name}:{number}: {line[found.start() : found.end()].decode()}"
        for name in tracked_files()
        for number, line in enumerate((ROOT / name).read_bytes().splitlines(), start=1)
        if (found := pattern.search(line))
    ]
    assert not wrong
