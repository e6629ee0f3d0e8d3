"""`locald cache`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lifecycle.caches import BuildCache, build_caches
from locald.cli.console import Progress
from locald.cli.inspection_text import human_size
from locald.cli.state import State
from oci.errors import UsageError
from oci.locks import exclusive
from oci.scratch import remove

cache_app = typer.Typer(
    name="cache",
    help="What builds keep so that the next one is quick.",
    no_args_is_help=True,
)


@cache_app.callback()
def cache_root() -> None:
    """What builds keep so that the next one is quick."""


@cache_app.command("clear")
def clear_command(
    path: Annotated[
        Path | None,
        typer.Argument(help="The project's folder.", show_default="the current folder"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The caches of every project.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
) -> None:
    """Delete the build caches of a project, all its services included. Images stay.

    Waits for a build that uses one. Prints how many bytes were freed.
    """
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    if every and path is not None:
        raise UsageError("give PATH or --all, not both")
    caches = build_caches(state.paths.build_caches)
    if not every:
        caches = _of_project(caches, path or Path())
    freed = 0
    for cache in caches:
        name = cache.identity.project + (
            f" ({cache.identity.service})" if cache.identity.service else ""
        )
        with exclusive(cache.lock, what=f"the cache of {name}", on_wait=state.console.note):
            size = cache.size_bytes()
            cache.clear(remove=lambda folder: remove(folder, state.runner))
        freed += size
        state.console.note(f"Cleared the cache of {name}: {human_size(size)}")
    state.console.result(f"{freed} bytes freed")


def register(app: typer.Typer) -> None:
    """Add `locald cache`."""
    app.add_typer(cache_app)


def _of_project(caches: tuple[BuildCache, ...], path: Path) -> tuple[BuildCache, ...]:
    """Also for a folder that is gone: its caches are what is left of it."""
    folder = path.resolve()
    # As BuildCache.locate writes it: names of folders need not be text.
    text = os.fsencode(folder).decode(errors="backslashreplace")
    chosen = tuple(cache for cache in caches if cache.identity.app_dir == text)
    if not chosen and not folder.is_dir():
        raise UsageError(f"{path}: no such folder, and no caches of one")
    return chosen
