"""The sources as the architecture tests see them: parsed modules, and the tracked files."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oci.process import Command, CommandRunner

ROOT = Path(__file__).parents[2]
# The one arrow: a package may import those after it, and itself.
PACKAGES = ("locald", "lifecycle", "oci")
# Programs that run inside build containers and applications that are built: not our modules.
_FOREIGN = ("lifecycle/embedded/buildpacks", "tests/samples")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module, and the function it is imported in (None: at the top)."""

    module: str
    line: int
    function: FunctionNode | None
    statement: ast.stmt

    @property
    def package(self) -> str:
        """`oci` of `oci.process`."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Module:
    """A parsed source file. `path` is relative to the repository."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package at the top: `locald`, `lifecycle`, `oci`, or `tests`."""
        return self.path.parts[0]

    def at(self, node: ast.stmt | ast.expr) -> str:
        """`file:line`, as editors understand it."""
        return f"{self.path}:{node.lineno}"

    def imports(self) -> Iterator[Import]:
        """Every import, those inside functions and under TYPE_CHECKING too."""
        yield from _imports(self.tree, None)

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of the tree."""
        return ast.walk(self.tree)

    def dotted_names(self) -> Iterator[tuple[str, ast.expr]]:
        """Every name in an expression as it is written: `os.system`, `print`, `sys.stdout`."""
        for node in self.nodes():
            if isinstance(node, ast.Attribute | ast.Name):
                yield _dotted(node), node


def product_modules() -> tuple[Module, ...]:
    """The modules of the three packages."""
    return tuple(module for package in PACKAGES for module in _modules(package))


def modules_of_tests() -> tuple[Module, ...]:
    """The modules of the tests, without the sample applications."""
    return tuple(_modules("tests"))


def tracked_files() -> tuple[PurePosixPath, ...]:
    """What git knows, and what it would take with the next `git add`: relative paths."""
    result = CommandRunner().run(
        Command(
            argv=(
                "git", "-c", f"safe.directory={ROOT}",
                "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate",
            ),
            cwd=ROOT,
        )
    )  # fmt: skip
    names = (PurePosixPath(name) for name in result.text.split("\0")[:-1])
    # A deleted file is listed until the deletion is committed.
    return tuple(name for name in names if (ROOT / name).is_file())


def _modules(package: str) -> Iterator[Module]:
    for file in sorted((ROOT / package).rglob("*.py")):
        path = PurePosixPath(file.relative_to(ROOT))
        if not any(path.is_relative_to(foreign) for foreign in _FOREIGN):
            text = file.read_text()
            yield Module(path, text, ast.parse(text, filename=str(path)))


def _imports(node: ast.AST, function: FunctionNode | None) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield Import(alias.name, node.lineno, function, node)
        case ast.ImportFrom(module=module):
            yield Import(module or "", node.lineno, function, node)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            function = node
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, function)


def _dotted(node: ast.expr) -> str:
    """`a.b` of nested attributes; `?.b` when they begin with something else than a name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
        case _:
            return "?"
