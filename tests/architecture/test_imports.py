"""Who may import whom: `locald → lifecycle → oci → standard library and declared packages`."""

import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.source_tree import PACKAGES, ROOT, Import, Module, product_modules

# Packages that a layer must not know: oci and lifecycle have no terminal and no command line.
TERMINAL = {"typer", "click", "rich"}

# What the standard library has got since the oldest Python that we run on.
NEWER_STDLIB = {"compression"}

# Importing typer, rich or the whole pipeline costs more time than `locald --version` may take
# (docs/architecture.md, start-up), so the entry point and the commands may import what only they
# need when they run: as a plain statement of the function's body, not inside an if or a try.
# Breaking a cycle is no reason: a cycle means that a module is in the wrong place.
LAZY_IMPORTS_ALLOWED = ("locald/__main__.py", "locald/cli/*.py")
# Elsewhere each needs a line here, and beside the import what it costs and why few runs need it.
RARELY_NEEDED = {
    ("locald/build/deliver.py", "locald.build.publishing"),
    ("locald/build/ledger.py", "locald.build.explain"),
    ("locald/build/build_run.py", "locald.build.comparison"),
    ("locald/build/report.py", "locald.build.explain"),
    ("locald/build/previous.py", "oci.registry_clients"),
    ("locald/build/previous.py", "oci.remote_layers"),
    ("locald/build/caching.py", "locald.build.cache_transfer"),
    ("locald/build/module_sources.py", "oci.download"),
    ("locald/build/build_run.py", "locald.build.extend"),
    ("locald/build/report.py", "yaml"),
    ("locald/config/dotenv.py", "dotenv.parser"),
    ("locald/config/ignore.py", "locald.config.ignore_file_rules"),
    ("locald/config/ignore.py", "locald.config.pattern_rules"),
    ("locald/config/sources.py", "locald.config.ignore_file"),
    ("locald/config/toml_file.py", "locald.config.schema_error"),
    ("oci/zstd_stream.py", "backports"),
    ("oci/zstd_stream.py", "compression"),
    ("oci/durable.py", "ctypes"),
}


@pytest.fixture(scope="module")
def modules() -> tuple[Module, ...]:
    return product_modules()


def test_packages_import_only_along_the_arrow(modules: tuple[Module, ...]) -> None:
    wrong = [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if found.package in PACKAGES
        and PACKAGES.index(found.package) < PACKAGES.index(module.package)
    ]
    assert not wrong


def test_the_product_imports_no_tests(modules: tuple[Module, ...]) -> None:
    assert not [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if found.package in {"tests", "pytest"}
    ]


def test_only_the_command_line_imports_the_command_line(modules: tuple[Module, ...]) -> None:
    wrong = [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if f"{found.module}.".startswith("locald.cli.")
        and not (module.path.is_relative_to("locald/cli") or module.path.name == "__main__.py")
    ]
    assert not wrong


def test_oci_and_lifecycle_know_no_terminal(modules: tuple[Module, ...]) -> None:
    wrong = [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if module.package != "locald" and found.package in TERMINAL
    ]
    assert not wrong


def test_third_party_packages_are_declared_dependencies(modules: tuple[Module, ...]) -> None:
    declared = _declared_distributions()
    distributions = packages_distributions()
    wrong = [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if found.package not in {*sys.stdlib_module_names, *NEWER_STDLIB, *PACKAGES}
        and declared.isdisjoint(_normal(name) for name in distributions.get(found.package, ()))
    ]
    assert not wrong


def test_imports_are_at_the_top_of_a_module(modules: tuple[Module, ...]) -> None:
    wrong = [
        _told(module, found)
        for module in modules
        for found in module.imports()
        if found.function is not None and not _may_be_lazy(module, found)
    ]
    assert not wrong


def test_the_list_of_rarely_needed_imports_is_up_to_date(modules: tuple[Module, ...]) -> None:
    lazy = {
        (str(module.path), found.module)
        for module in modules
        for found in module.imports()
        if found.function is not None
    }
    assert not RARELY_NEEDED - lazy


def _may_be_lazy(module: Module, found: Import) -> bool:
    if (str(module.path), found.module) in RARELY_NEEDED:
        return True
    allowed = any(module.path.match(pattern) for pattern in LAZY_IMPORTS_ALLOWED)
    return allowed and found.function is not None and found.statement in found.function.body


def _declared_distributions() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {_normal(requirement.split(">")[0]) for requirement in project["dependencies"]}


def _normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def _told(module: Module, found: Import) -> str:
    return f"{module.path}:{found.line} imports {found.module}"
