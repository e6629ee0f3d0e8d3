"""`locald verify-store`."""

from typing import Annotated

import msgspec
import typer

from locald.care.cache_damage import CacheVerifier
from locald.care.repair import Outcome, StoreRepair
from locald.cli.console import Progress
from locald.cli.state import State
from locald.cli.table_text import counted
from oci.errors import StorageError
from oci.scratch import remove

Json = Annotated[bool, typer.Option("--json", help="A document for programs.")]
NoRepair = Annotated[bool, typer.Option("--no-repair", help="Only tell what is damaged.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def verify_store_command(
    no_repair: NoRepair = False, json: Json = False, quiet: Quiet = False
) -> None:
    """Read every image and cache that is kept here, and repair what is damaged.

    It is fetched again, or removed so that the next build makes it anew. What a build uses is left.

    Exits with 6 when something was beyond repair, or with --no-repair damaged.
    """
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    verify(state, repair=not no_repair, json=json)


def verify(state: State, *, repair: bool, json: bool) -> None:
    """Verify and tell. Raises StorageError where damage stays."""
    store = StoreRepair(state.tools(), state.console.step).verify(repair=repair)
    caches = CacheVerifier(
        state.paths, lambda folder: remove(folder, state.runner), tell=state.console.step
    ).verify(repair=repair)
    found = (*store.found, *caches.found)
    for name in caches.in_use:
        state.console.note(f"Not looked at: {name}, a build uses it")
    if json:
        document = {
            "images": store.images,
            "blobs": store.blobs,
            "unpacked": store.roots,
            "caches": caches.caches,
            "downloads": caches.downloads,
            "in_use": caches.in_use,
            "damage": found,
        }
        state.console.document(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        for one in found:
            note = f": {one.note}" if one.note else ""
            state.console.result(f"{one.outcome}  {one.part} {one.what}: {one.problem}{note}")
        if not found:
            counts = (
                (store.images, "image"),
                (store.blobs, "blob"),
                (store.roots, "unpacked image"),
                (caches.caches - len(caches.in_use), "build cache"),
                (caches.downloads, "download"),
            )
            listed = ", ".join(counted(number, what) for number, what in counts if number)
            state.console.result(f"As it should be: {listed or 'there is nothing yet'}")
    lost = [one for one in found if one.outcome is Outcome.LOST]
    if lost:
        raise StorageError(
            f"{len(lost)} of {len(found)} damaged things are beyond repair",
            hint="build again what was removed",
        )
    if found and not repair:
        raise StorageError(
            f"of what is kept here {counted(len(found), 'thing')} "
            f"{'is' if len(found) == 1 else 'are'} damaged",
            hint="run: locald verify-store",
        )


def register(app: typer.Typer) -> None:
    """Add `locald verify-store`."""
    app.command("verify-store")(verify_store_command)
