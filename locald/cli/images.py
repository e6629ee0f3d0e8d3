"""`locald images …`: what is in the image store."""

import time
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from locald.care.image_list import ListedImage, listed_images
from locald.care.image_names import find_names
from locald.care.remakeable import remakeable
from locald.care.size_text import parse_age, parse_size
from locald.cli.console import Progress
from locald.cli.inspection_text import human_size
from locald.cli.state import State
from locald.cli.table_text import NOTHING, ago, counted, table_lines
from locald.cli.verify_store import Json, NoRepair, Quiet, verify
from oci.platform import Platform
from oci.store_contents import read_contents
from oci.store_names import StoreNames
from oci.store_prune import PruneReport, StorePruner
from oci.store_prune_plan import PruneRules

images_app = typer.Typer(
    name="images", help="The images that are kept on this host.", no_args_is_help=True
)

_SHORT = slice(len("sha256:"), len("sha256:") + 12)
_TITLES = (
    "NAME", "DIGEST", "PLATFORM", "KIND", "SIZE", "OWN", "UNPACKED", "USED", "PROJECT", "BRANCH",
)  # fmt: skip
_SIZES, _OPTIONAL, _TEXTS = frozenset({4, 5, 6}), frozenset({2, 6, 8, 9}), (8, 9, 0)


@images_app.callback()
def images_root() -> None:
    """The images that are kept on this host."""


@images_app.command("ls")
def ls_command(
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Also images without a name, and intermediate ones.")
    ] = False,
    json: Json = False,
) -> None:
    """List images: size, last use, and for which project and branch they were built.

    OWN is what no other image shares. An image with several names has a line for each.
    """
    state = _state(quiet=False)
    contents = read_contents(state.paths.store)
    known = listed_images(contents)
    images = [one for one in known if every or (one.names and one.kind != "intermediate")]
    if json:
        document = {
            "images": images,
            "size_bytes": sum(contents.blobs.values()),
            "unpacked_bytes": sum(root.size_bytes for root in contents.roots),
        }
        state.console.document(_json(document))
        return
    if not known:
        state.console.note("no images yet: `locald build` fetches and makes them")
    now = time.time()
    foreign = {one.platform for one in images} - {str(Platform.of_host())}
    rows = [row for one in images for row in _rows(one, now, told=bool(foreign))]
    for line in table_lines(
        _TITLES,
        rows,
        right=_SIZES,
        optional=_OPTIONAL,
        shrinking=_TEXTS,
        width=state.console.width,
    ):
        state.console.result(line)
    nameless = sum(1 for one in known if not one.names)
    if nameless and not every:
        what = counted(nameless, "image")
        state.console.note(f"{what} without a name: --all lists, `locald images prune` deletes")


@images_app.command("rm")
def rm_command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Names of images; or a digest, its beginning: all its names."
        ),
    ],
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="OS/ARCH", help="Only that.", show_default="all"),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete what no name leads to any more.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Remove names. What they mean stays until `prune`, or as long as it has another name."""
    state = _state(quiet=quiet)
    store = StoreNames(state.paths.store)
    chosen = find_names(store.all(), names, platform=platform)
    store.remove(chosen)
    for name in chosen:
        state.console.note(f"Removed {name.text} ({name.platform})")
    if not prune:
        state.console.result(f"{len(chosen)} removed")
        return
    _tell_pruned(state, _pruner(state).prune(_rules(None, None), dry_run=False), dry_run=False)


@images_app.command("prune")
def prune_command(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="Also what can be made again and was not used for so long: 30d, 12h.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="SIZE",
            help="Also what can be made again, until the store has this size: 10GB, 500MB.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete images without a name, what only they need, and what killed builds left.

    Images with a name stay, and what a running build uses. Prints how many bytes were freed.
    """
    state = _state(quiet=quiet)
    report = _pruner(state).prune(_rules(older_than, keep), dry_run=dry_run)
    if json:
        state.console.document(_json({"dry_run": dry_run, **asdict(report)}))
        return
    if keep is not None and report.left_bytes > parse_size(keep, flag="--keep"):
        state.console.note(
            f"{human_size(report.left_bytes)} are left: the rest has names; see: locald images ls"
        )
    _tell_pruned(state, report, dry_run=dry_run)


@images_app.command("verify")
def verify_command(no_repair: NoRepair = False, json: Json = False, quiet: Quiet = False) -> None:
    """Find damaged images and repair them; the same as `locald verify-store`."""
    verify(_state(quiet=quiet), repair=not no_repair, json=json)


def register(app: typer.Typer) -> None:
    """Add `locald images`."""
    app.add_typer(images_app)


def _rows(image: ListedImage, now: float, *, told: bool) -> list[tuple[str, ...]]:
    """told: is the platform worth telling?"""
    kind = image.kind if image.whole else f"{image.kind}, without all layers"
    facts = (
        image.digest[_SHORT],
        (image.platform or NOTHING) if told else NOTHING,
        kind,
        human_size(image.size_bytes),
        human_size(image.own_bytes),
        human_size(image.unpacked_bytes) if image.unpacked_bytes else NOTHING,
        ago(image.used, now),
        image.project or NOTHING,
        image.branch or NOTHING,
    )
    return [(name, *facts) for name in image.names or (NOTHING,)]


def _rules(older_than: str | None, keep: str | None) -> PruneRules:
    return PruneRules(
        now=time.time(),
        unused_seconds=None if older_than is None else parse_age(older_than, flag="--older-than"),
        max_bytes=None if keep is None else parse_size(keep, flag="--keep"),
        remakeable=remakeable,
    )


def _pruner(state: State) -> StorePruner:
    return StorePruner(
        state.paths.store, state.paths.work, state.runner, on_wait=state.console.note
    )


def _tell_pruned(state: State, report: PruneReport, *, dry_run: bool) -> None:
    verb = "Would delete" if dry_run else "Deleted"
    counts = (
        (len(report.names), "name"),
        (len(report.images), "image"),
        (len(report.roots), "unpacked image"),
        (report.blobs, "blob"),
        (report.leftovers, "leftover"),
    )
    listed = ", ".join(counted(count, what) for count, what in counts if count)
    if listed:
        state.console.note(f"{verb}: {listed}; {human_size(report.freed_bytes)}")
    if report.in_use:
        state.console.note(f"Kept, because a build uses it: {counted(report.in_use, 'image')}")
    state.console.result(f"{report.freed_bytes} bytes {'to free' if dry_run else 'freed'}")


def _state(*, quiet: bool) -> State:
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    state.paths.ensure(state.paths.store)
    return state


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
