"""`locald verify-store`."""

from typing import Annotated

import msgspec
import typer

from locald.care.repair import Outcome, StoreRepair
from locald.cli.console import Progress
from locald.cli.state import State
from oci.errors import StorageError

Json = Annotated[bool, typer.Option("--json", help="A document for programs.")]
NoRepair = Annotated[bool, typer.Option("--no-repair", help="Only tell what is damaged.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def verify_store_command(
    no_repair: NoRepair = False, json: Json = False, quiet: Quiet = False
) -> None:
    """Read every image that is kept here, and repair what is damaged: fetch it again, or remove it
    so that the next build makes it anew.

    Exits with 6 when something was beyond repair, or with --no-repair damaged.
    """
    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    verify(state, repair=not no_repair, json=json)


def verify(state: State, *, repair: bool, json: bool) -> None:
    """Verify and tell. Raises StorageError where damage stays."""
    checked = StoreRepair(state.tools(), state.console.step).verify(repair=repair)
    if json:
        document = {
            "images": checked.images,
            "blobs": checked.blobs,
            "unpacked": checked.roots,
            "damage": checked.found,
        }
        state.console.document(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        for one in checked.found:
            note = f": {one.note}" if one.note else ""
            state.console.result(f"{one.outcome}  {one.part} {one.what}: {one.problem}{note}")
        if not checked.found:
            state.console.result(
                f"{checked.images} images, {checked.blobs} blobs and {checked.roots} unpacked "
                "images are as they should be"
            )
    lost = [one for one in checked.found if one.outcome is Outcome.LOST]
    if lost:
        raise StorageError(
            f"{len(lost)} of {len(checked.found)} damaged things in the store are beyond repair",
            hint="build again what was removed",
        )
    if checked.found and not repair:
        raise StorageError(
            f"{len(checked.found)} things in the store are damaged",
            hint="run: locald verify-store",
        )


def register(app: typer.Typer) -> None:
    """Add `locald verify-store`."""
    app.command("verify-store")(verify_store_command)
