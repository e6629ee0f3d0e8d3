"""`locald cache`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from lifecycle.cache_archive import read_archive, write_archive
from lifecycle.caches import BuildCache, CacheIdentity, build_caches
from locald.build.cache_file import STANDARD, check_writable, opened, written
from locald.build.project_caches import (
    CacheChooser,
    cache_name,
    described,
    locked,
    project_caches,
)
from locald.care.cache_clear import CacheClearer
from locald.cli import cache_care
from locald.cli.console import Progress
from locald.cli.inspection_text import human_size
from locald.cli.state import State
from locald.config.build_flags import BuildFlags
from locald.config.resolve import read_requests
from oci.errors import UsageError
from oci.scratch import remove

cache_app = typer.Typer(
    name="cache",
    help="What builds keep so that the next one is quick.",
    no_args_is_help=True,
)

ProjectFolder = Annotated[
    Path | None,
    typer.Argument(help="The project's folder.", show_default="the current folder"),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder of caches, as given to `locald build --cache`.",
        metavar="DIR",
        show_default="where builds keep them",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


@cache_app.callback()
def cache_root() -> None:
    """What builds keep so that the next one is quick."""


@cache_app.command("clear")
def clear_command(
    path: ProjectFolder = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="The caches of every project, and all downloads and unpacked buildpacks."
        ),
    ] = False,
    folder: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Delete the build caches of a project, all its services included. Images stay.

    Waits for a build that uses one. Prints how many bytes were freed.
    """
    state = _state(quiet)
    if every and path is not None:
        raise UsageError("give PATH or --all, not both")
    if every and folder is not None:
        raise UsageError("give --cache or --all, not both")
    clearer = CacheClearer(state.paths, lambda tree: remove(tree, state.runner), state.console.note)
    freed = 0
    for one in clearer.clear_all() if every else map(clearer.clear, _chosen(path, folder, state)):
        if one.in_use:
            state.console.note(f"Kept {one.name}: a build uses it")
            continue
        freed += one.size_bytes
        state.console.note(f"Cleared {one.name}: {human_size(one.size_bytes)}")
    state.console.result(f"{freed} bytes freed")


@cache_app.command("export")
def export_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="What to write: .tar, or .tar.gz or .tgz for a smaller one; - for standard output."
        ),
    ],
    path: ProjectFolder = None,
    folder: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Write the build caches of a project into one file, to take them to another machine.

    Waits for a build that uses one. Prints the file's name.
    """
    state = _state(quiet)
    check_writable(file)
    caches = _chosen(path, folder, state)
    with locked(caches, state.console.note):
        full = tuple(cache for cache in caches if not cache.empty)
        if not full:
            raise UsageError(
                f"there is no cache of {folder or path or Path.cwd()} to export",
                hint="build it first: locald build",
            )
        with written(file) as sink:
            write_archive(full, sink)
    for cache in full:
        state.console.note(
            f"Exported the cache of {cache_name(cache.identity)} ({described(cache.identity)})"
        )
    if str(file) != STANDARD:
        state.console.result(str(file))


@cache_app.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(help="A file of `locald cache export`; - for standard input.")
    ],
    path: ProjectFolder = None,
    folder: CacheFolder = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also the cache of another project or platform."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Replace the build caches of a project by those in a file.

    All of it is checked before anything is replaced. Prints how many caches were imported.
    """
    state = _state(quiet)
    origin = "standard input" if str(file) == STANDARD else str(file)
    requests = read_requests(BuildFlags(path=path or Path()), state.paths)
    chooser = CacheChooser(
        requests,
        state.paths,
        folder=None if folder is None else folder.absolute(),
        force=force,
    )
    with ExitStack() as stack:

        def choose(identities: tuple[CacheIdentity, ...]) -> tuple[BuildCache, ...]:
            targets = chooser.targets(identities, origin)
            stack.enter_context(locked(targets, state.console.note))
            return targets

        done = read_archive(stack.enter_context(opened(file)), origin=origin, choose=choose)
    for cache in done:
        state.console.note(
            f"Imported the cache of {cache_name(cache.identity)} ({described(cache.identity)})"
        )
    state.console.result(f"{len(done)} imported")


def register(app: typer.Typer) -> None:
    """Add `locald cache`."""
    app.add_typer(cache_app)


cache_care.add_to(cache_app)


def _state(quiet: bool) -> State:
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    return state


def _chosen(path: Path | None, folder: Path | None, state: State) -> tuple[BuildCache, ...]:
    if folder is None:
        return project_caches(path or Path(), state.paths)
    if path is not None:
        raise UsageError("give PATH or --cache, not both: a folder of caches has no project")
    return build_caches(cache_care.given(folder))
