"""`locald cache ls|du|prune|fork`."""

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lifecycle.caches import build_caches
from locald.build.project_caches import cache_name, described, project_caches
from locald.care.cache_fork import fork_caches, fork_target
from locald.care.cache_list import listed_cache
from locald.care.cache_prune import CachePruner, CacheRules
from locald.care.size_text import parse_age, parse_size
from locald.care.used_space import used_space
from locald.cli.console import Progress
from locald.cli.inspection_text import human_size
from locald.cli.state import State
from locald.cli.table_text import NOTHING, ago, table_lines
from oci.errors import UsageError
from oci.scratch import remove

Json = Annotated[bool, typer.Option("--json", help="A document for programs.")]
OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="What was not used for so long: 30d, 12h."),
]
Keep = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="SIZE",
        help="What was not used for longest, until this much is left: 10GB, 500MB.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder of caches, as given to `locald build --cache`.",
        metavar="DIR",
        show_default="where builds keep them",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def ls_command(
    path: Annotated[
        Path | None,
        typer.Argument(help="A project's folder.", show_default="every project"),
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """List build caches: for which project and branch, how big, when last used.

    Those in folders that `--cache` or a project chose are listed when they are named.
    """
    state = _state(quiet=False)
    if path is not None:
        if folder is not None:
            raise UsageError("give PATH or --cache, not both: a folder of caches has no project")
        caches = project_caches(path, state.paths)
    else:
        caches = build_caches(state.paths.build_caches if folder is None else given(folder))
    listed = sorted(map(listed_cache, caches), key=lambda one: -one.used)
    if json:
        state.console.document(_json(listed))
        return
    if not listed:
        state.console.note("no build caches yet: each build makes one")
    now = time.time()
    rows = [
        (
            one.project + (f" ({one.service})" if one.service else ""),
            one.branch or NOTHING,
            one.platform,
            human_size(one.size_bytes),
            ago(one.used, now),
            (one.app_dir or one.folder) + (" (gone)" if one.gone else ""),
        )
        for one in listed
    ]
    titles = ("PROJECT", "BRANCH", "PLATFORM", "SIZE", "USED", "FOLDER")
    for line in table_lines(
        titles,
        rows,
        right=frozenset({3}),
        optional=frozenset({1}),
        shrinking=(5, 1, 0),
        width=state.console.width,
    ):
        state.console.result(line)


def du_command(json: Json = False) -> None:
    """Show how much space locald takes, images and unpacked builders included.

    Every byte counts once, and as the disk has it. FREEABLE is what `locald cache prune` and
    `locald images prune` would free now.
    """
    state = _state(quiet=False)
    used = used_space(state.paths, now=time.time())
    if json:
        state.console.document(_json(used))
        return
    rows = [
        (
            one.what,
            str(one.count),
            human_size(one.size_bytes),
            human_size(one.freeable_bytes),
            one.folder,
        )
        for one in used
    ]
    size, freeable = (
        human_size(sum(sizes))
        for sizes in ((one.size_bytes for one in used), (one.freeable_bytes for one in used))
    )
    rows.append(("together", "", size, freeable, ""))
    titles = ("WHAT", "COUNT", "SIZE", "FREEABLE", "FOLDER")
    for line in table_lines(
        titles,
        rows,
        right=frozenset({1, 2, 3}),
        shrinking=(4,),
        width=state.console.width,
    ):
        state.console.result(line)


def prune_command(
    older_than: OlderThan = None,
    keep: Keep = None,
    folder: Folder = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete the caches of projects that are gone, and downloads that were not used for 30 days.

    With --older-than and --keep also others; with --cache only what is there. What a running build
    uses stays. Prints how many bytes were freed.
    """
    state = _state(quiet=quiet)
    if folder is not None and older_than is None and keep is None:
        raise UsageError(
            "--cache: a folder of caches names no projects that could be gone",
            hint="say what goes: --older-than 30d, --keep 1GB",
        )
    rules = CacheRules(
        now=time.time(),
        unused_seconds=None if older_than is None else parse_age(older_than, flag="--older-than"),
        max_bytes=None if keep is None else parse_size(keep, flag="--keep"),
    )
    pruner = CachePruner(
        state.paths,
        lambda tree: remove(tree, state.runner),
        folder=None if folder is None else given(folder),
    )
    report = pruner.prune(rules, dry_run=dry_run)
    verb = "Would delete" if dry_run else "Deleted"
    for one in report.pruned:
        state.console.note(f"{verb} {one.name}: {human_size(one.size_bytes)}, {one.why}")
    for name in report.in_use:
        state.console.note(f"Kept {name}: a build uses it")
    if json:
        fields = {"dry_run": dry_run, "freed_bytes": report.freed_bytes}
        pruned = [
            {"name": one.name, "why": one.why, "size_bytes": one.size_bytes}
            for one in report.pruned
        ]
        state.console.document(
            _json(
                {**fields, "left_bytes": report.left_bytes, "pruned": pruned}
                | {"in_use": report.in_use}
            )
        )
        return
    state.console.result(f"{report.freed_bytes} bytes {'to free' if dry_run else 'freed'}")


def fork_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="BRANCH|DIR",
            help="The folder of another checkout, or a branch that a git worktree has.",
        ),
    ],
    path: Annotated[
        Path | None,
        typer.Argument(help="Whose caches are copied.", show_default="the current folder"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace caches that the other checkout has.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Start another checkout of a project warm: copy this one's build caches for it.

    Waits for a build that uses one. Prints how many caches were copied.
    """
    state = _state(quiet=quiet)
    source = path or Path()
    folder = fork_target(source, target)
    done = fork_caches(source, folder, state.paths, on_wait=state.console.note, force=force)
    for cache in done:
        name = cache_name(cache.identity)
        state.console.note(f"Copied the cache of {name} ({described(cache.identity)}) for {folder}")
    state.console.result(f"{len(done)} copied")


def add_to(app: typer.Typer) -> None:
    """Add these commands to `locald cache`."""
    app.command("ls")(ls_command)
    app.command("du")(du_command)
    app.command("prune")(prune_command)
    app.command("fork")(fork_command)


def given(folder: Path) -> Path:
    """A folder of caches that must be there."""
    if not folder.is_dir():
        raise UsageError(f"--cache: {folder}: no such folder")
    return folder


def _state(*, quiet: bool) -> State:
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    return state


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
